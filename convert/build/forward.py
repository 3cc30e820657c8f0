"""How far a build is, on its way from one process to the one that shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faceguard.convert.child.wire import Message, Sender
from faceguard.engines.closing import Closing

if TYPE_CHECKING:
    from faceguard.convert.build.progress import BuildProgress


class Forwarded(Closing):
    """A `BuildProgress` that sends all of it to the parent process, which shows it by `show`."""

    def __init__(self, sender: Sender) -> None:
        """Takes the way out."""
        self._sender = sender

    def stage(self, name: str) -> None:
        """Sends it."""
        self._sender.send("stage", name=name)

    def phase_start(self, name: str, parent: str | None, steps: int) -> None:
        """Sends it."""
        self._sender.send("phase", name=name, parent=parent, steps=steps)

    def step(self, name: str, step: int) -> None:
        """Sends it."""
        self._sender.send("step", name=name, step=step)

    def phase_finish(self, name: str) -> None:
        """Sends it."""
        self._sender.send("finished", name=name)

    def tick(self) -> None:
        """Nothing: the parent has a clock of its own."""

    def close(self) -> None:
        """Nothing."""


def show(progress: BuildProgress, message: Message) -> None:
    """Shows what `Forwarded` has sent.

    Args:
        progress: Takes it.
        message: A stage or phase, a step of one, or its end.
    """
    kind, name = message["kind"], message["name"]
    if kind == "stage":
        progress.stage(name)
    elif kind == "phase":
        progress.phase_start(name, message["parent"], message["steps"])
    elif kind == "step":
        progress.step(name, message["step"])
    else:
        progress.phase_finish(name)
