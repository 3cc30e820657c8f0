"""`faceguard check`: whether a configuration can run on this machine, before it does."""
