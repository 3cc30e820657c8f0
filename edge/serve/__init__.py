"""`faceguard serve`: pictures over HTTP, redacted or enlarged.

`server` listens, `app` has the routes and `guard` stands before them, `upload` reads what comes,
`still` decodes it, `worker` owns the models and works off what `waiting` holds, `answer` encodes.
What all of it may keep in memory is counted by `held`. `service` puts it together.
"""
