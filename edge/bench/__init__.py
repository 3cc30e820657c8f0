"""What the camera's dearer parts cost on this machine, measured before they are switched on.

`stopwatch` times one thing within a limit, `upscaling` enlarging, model by model and size by size,
and `table` tells it.
"""
