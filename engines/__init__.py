"""An engine runs: arrays in, arrays out. Knows neither cameras nor converters."""
