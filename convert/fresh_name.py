"""Names that nothing in a graph bears yet."""

from __future__ import annotations


def fresh_name(label: str, taken: set[str]) -> str:
    """A name like the label.

    Args:
        label: What it should be called.
        taken: The names that there are; gets this one too.
    """
    name, number = label, 1
    while name in taken:
        number += 1
        name = f"{label}_{number}"
    taken.add(name)
    return name
