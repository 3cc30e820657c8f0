"""Super-resolution of any size within the memory that is free: tile, infer, join.

`catalogue.Enlarging` says what a network does, `tiles` cuts pictures up and joins them, `admission`
chooses the tile for the memory that is free, from what `footprint` measured once, and `opening`
puts these together.
"""
