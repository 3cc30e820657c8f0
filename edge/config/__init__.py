"""The configuration of `faceguard run`: what it may hold, and how it is read."""
