"""What EDSR is to take of the memory at sizes that would take it an hour; `upscale_memory` runs it.

`python upscale_edsr.py THREADS SIDE...` prints, as JSON, a tile and a peak in MiB for each side of
a square picture. Both come from what chooses tiles: it has measured a few small ones, and errs on
the safe side.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from faceguard.engines.upscaling.limits import held
from faceguard.engines.upscaling.opening import open_upscaler

MODEL = "edsr-x3"
_MB = 1 << 20


def main(words: Sequence[str]) -> int:
    """Opens the model, enlarges nothing, and says what it would take."""
    threads, *sides = map(int, words)
    with open_upscaler(MODEL, threads=threads) as upscaler:
        loaded_bytes = held().resident
        told = {}
        for side in sides:
            tile, _ = upscaler.planned(side, side)
            peak_bytes = loaded_bytes + upscaler.admission.foreseen_bytes(tile)
            told[side] = {"tile": f"{tile.width}x{tile.height}", "peak_mb": peak_bytes / _MB}
    print(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
