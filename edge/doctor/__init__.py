"""What `faceguard doctor` looks at, a file for each organ."""
