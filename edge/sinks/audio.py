"""Sound, copied packet by packet beside the pictures; only where a user asked for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import av.error

from faceguard.edge.av_image import open_input
from faceguard.engines.errors import InputError, UsageError

# What players find in a transport stream; FFmpeg writes other kinds without a word, and unreadable.
_IN_TS = ("aac", "ac3", "eac3", "mp2", "mp3", "opus")


class AudioCopy:
    """Copies the packets of a file's first sound stream, up to the time of the pictures."""

    def __init__(self, source: Path, output: Any, target: Path) -> None:  # noqa: ANN401
        """Adds the stream to the output.

        Args:
            source: The file to take the sound from.
            output: PyAV's container that it goes into.
            target: That container's file, for messages.

        Raises:
            UsageError: The container cannot hold this kind of sound.
        """
        self._source = source
        self._input = open_input(source)
        self._output = output
        self._held: Any = None
        stream = self._input.streams.audio[0]
        self.codec: str = stream.codec_context.name
        refused = f"{target}: {target.suffix} cannot hold {self.codec} sound; use .mkv, or drop it"
        if target.suffix.lower() == ".ts" and self.codec not in _IN_TS:
            raise UsageError(refused)
        try:
            self._stream = output.add_stream_from_template(stream)
        except (av.error.FFmpegError, ValueError) as error:
            raise UsageError(refused) from error
        self._packets = self._read(stream)

    def up_to(self, time_s: float) -> None:
        """Copies all packets before this time.

        Raises:
            InputError: The sound is damaged.
        """
        while (packet := self._held or next(self._packets, None)) is not None:
            self._held = None
            if float(packet.dts * packet.time_base) > time_s:
                self._held = packet
                return
            packet.stream = self._stream
            self._output.mux(packet)

    def close(self) -> None:
        """Closes the input."""
        self._input.close()

    def _read(self, stream: Any) -> Iterator[Any]:  # noqa: ANN401
        try:
            for packet in self._input.demux(stream):
                if packet.dts is not None:
                    yield packet
        except av.error.FFmpegError as error:
            raise InputError(f"{self._source}: its sound is damaged: {error.strerror}") from error
