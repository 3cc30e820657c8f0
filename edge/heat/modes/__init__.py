"""A Jetson's power modes: which there are, which is right, and setting one."""
