"""A graph becomes an engine, in a child process that may crash, hang or be stopped.

The parent: `request` says what to build, `builder` starts a child (`faceguard.convert.child`) and
makes of its end what it was, `engine_file` gives the engine its name, `progress` shows how far it
is. The child: `worker` does the work, `backend` drives TensorRT, `parsing` reads the graph,
`listener` takes its messages, `forward` sends them on, `timing` keeps what it learnt.

Nothing is imported here, since the child, which is to start quickly, comes through here as well.
"""
