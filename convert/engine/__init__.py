"""An engine is made: prepared, built, proven, and put into its place whole or not at all."""
