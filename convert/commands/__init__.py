"""Commands that this floor adds to `faceguard`."""
