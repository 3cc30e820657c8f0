"""An engine runs: arrays in, arrays out. Knows neither cameras nor converters.

Importing it silences ONNX Runtime, whose builds report to their maker unless told otherwise (1.31
does, 1.24 did not yet): they keep an identifier of the machine in the user's cache, and look for a
server to send events to. A camera talks to nobody that its owner did not name. The variable counts
when the library is loaded, so it is set here, before any module of ours can load it.
"""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
