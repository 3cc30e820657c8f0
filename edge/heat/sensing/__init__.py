"""Reading the sensors: thermal zones, hwmon, the board and NVML, and what hangs in them."""
