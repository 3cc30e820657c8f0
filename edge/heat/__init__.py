"""Heat: what the board feels, what is believed of it, and what may be spent.

A second's way: `sensing` reads everything into a `Survey`; `trust` says what of it can be true and
makes a `Reading` of it; `governing` turns that into a `Budget`; `watch` does so in the running
camera. Trust and governor are pure, so that `traces` of surveys give the same budgets again, bit by
bit, on any machine.
"""
