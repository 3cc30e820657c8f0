"""Work that may crash, hang or last is done in a process of its own, which a parent watches.

The parent: `process` starts the child and hears it, `signals` keeps Ctrl-C off until the child is
gone, `watch` knows when it is enough and what an end meant. The child: `inside` is how it begins,
is told to stop, and ends. `wire` is what they say to one another.

Nothing is imported here, since the child, which is to start quickly, comes through here as well.
"""
