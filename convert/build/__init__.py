"""A graph becomes an engine, in a child process that may crash, hang or be stopped.

The parent: `request` says what to build, `builder` starts a `child`, listens and judges, `signals`
keeps Ctrl-C off until the child is gone, `engine_file` gives the engine its name, `progress` shows
how far it is. The child: `worker` listens for a stop and answers, `backend` drives TensorRT,
`parsing` reads the graph, `listener` takes its messages, `timing` keeps what it learnt.

Nothing is imported here, since the child, which is to start quickly, comes through here as well.
"""
