"""Face detectors: letterbox, infer, decode, suppress; a file for each family."""
