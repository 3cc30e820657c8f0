"""What a device makes of its engines: proven again, and timed."""
