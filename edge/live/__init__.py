"""The rooms of `faceguard run`: capture, process, deliver, and who keeps them going."""
