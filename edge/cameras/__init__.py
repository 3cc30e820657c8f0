"""Where live frames come from: one file for each kind of camera."""
