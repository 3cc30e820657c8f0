"""A graph gets the precision that was asked for, and the proof that it has it."""
