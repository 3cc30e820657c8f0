"""Heat: what the board feels, what is believed of it, and what may be spent.

A second's way: `sensors` reads everything into a `Survey`; `trust` says what of it can be true and
makes a `Reading` of it; `governor` turns that into a `Budget`. The last two are pure, so a trace of
surveys gives the same budgets again, bit by bit, on any machine.
"""
