"""A viewer that decodes nothing: `python benchmarks/parts/watcher.py URL FILE`.

It writes a line for each packet: when it came (monotonic nanoseconds) and how many bytes it has. It
tries again until someone answers, and imports nothing but PyAV, so that watching costs little.
"""

import sys
import time

import av
import av.error

_PATIENCE_S = 10.0
_PAUSE_S = 0.2
_OPTIONS = {"rtsp_transport": "tcp", "probesize": "32", "fpsprobesize": "0"}


def watch(url: str, file: str) -> None:
    """Watches until the stream ends."""
    with open(file, "w", encoding="ascii", buffering=1) as out:  # noqa: PTH123 - pathlib costs a start
        container = opened(url)
        for packet in container.demux(container.streams.video[0]):
            if packet.size:
                out.write(f"{time.monotonic_ns()} {packet.size}\n")


def opened(url: str) -> av.container.InputContainer:
    """The stream, once there is one."""
    until_s = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return av.open(url, options=_OPTIONS, timeout=(_PATIENCE_S, _PATIENCE_S))
        except (av.error.FFmpegError, OSError):  # noqa: PERF203 - to try again is what this is for
            if time.monotonic() > until_s:
                raise
            time.sleep(_PAUSE_S)


if __name__ == "__main__":
    try:
        watch(sys.argv[1], sys.argv[2])
    except (av.error.FFmpegError, OSError, KeyboardInterrupt) as problem:
        sys.exit(f"watcher: {type(problem).__name__}")
