"""How the converting commands speak, and words that several of them read.

Steps go to stderr, results to stdout.
"""

from __future__ import annotations

import argparse
import sys

from faceguard.convert.engine.make import Made

_MOST_S = 1e6


class Speaker:
    """Says what is going on, or nothing."""

    def __init__(self, *, quiet: bool) -> None:
        """Remembers whether to speak."""
        self._quiet = quiet

    def say(self, line: str) -> None:
        """One line on stderr."""
        if not self._quiet:
            sys.stderr.write(f"faceguard: {line}\n")
            sys.stderr.flush()


def made_lines(made: Made) -> list[str]:
    """An engine, for people: what and where, then what is known of it."""
    manifest = made.manifest
    how = "built" if made.fresh else "up to date"
    what = f"{manifest.name}: {how}, {manifest.precision} for {manifest.backend}"
    for_whom = manifest.built_for.gpu or ", ".join(manifest.built_for.targets)
    where = f" {manifest.built_for.version} on {for_whom}" if for_whom else ""
    head = f"{what}{where}, {size(manifest.bytes)}: {made.engine}"
    return [head, *(f"  {note}" for note in made.notes)]


def seconds(text: str) -> float:
    """A time, for options."""
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < _MOST_S:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; give seconds over 0")
    return value


def targets(text: str) -> tuple[str, ...]:
    """GPUs to build for, each once, so that equal wishes are equal engines."""
    words = {word.strip().lower().replace("sm_", "sm") for word in text.split(",")} - {""}
    if not words:
        raise argparse.ArgumentTypeError(f"{text!r} names no GPU; write such as sm86,sm89")
    return tuple(sorted(words))


def size(count: int) -> str:
    """Bytes, for people."""
    return f"{count / 1e6:.1f} MB" if count >= 1_000_000 else f"{count / 1e3:.0f} kB"
