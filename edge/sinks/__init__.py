"""Where safe frames go; nothing here takes any other kind."""
