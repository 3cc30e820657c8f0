"""The governor: levels, a heat model that learns, and when a rung goes or comes back."""
