"""Settings that ship with faceguard: the model catalogue, and one file a device."""
