"""The camera: frames in, safe frames out."""
