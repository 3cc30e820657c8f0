"""A model becomes an engine: fetched by hash, converted, proven."""
