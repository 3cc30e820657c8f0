"""Models and samples come by name and hash, once, and are made ready."""
