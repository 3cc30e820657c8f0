"""A model becomes an engine: fetched by hash, converted, proven."""

import faceguard.engines  # noqa: F401 - before anything here loads ONNX Runtime
