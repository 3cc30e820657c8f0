"""Where redacted frames go while the camera runs: each output for itself."""
