"""A graph is looked over, gets its shapes, and loses what can be computed beforehand."""
