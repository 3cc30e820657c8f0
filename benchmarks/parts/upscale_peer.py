"""The peer of super-resolution: `cv2.dnn_superres` in a process of its own, asked over a pipe."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.parts import peers, upscale_cv2
from benchmarks.parts.truth import ROOT, data_folder
from faceguard.engines.catalogue import read_catalogue
from faceguard.engines.closing import Closing
from faceguard.engines.errors import ModelCorrupt, ModelMissing
from faceguard.engines.store import find_file
from faceguard.engines.types import U8

FOLDER = ROOT / ".bench" / "opencv-contrib"
_LIMIT_S = 600.0
_END_LIMIT_S = 5.0


class PeerFailed(Exception):
    """The peer gave an error, or no answer; the message is one line."""


def environment(say: Callable[[str], None], folder: Path = FOLDER) -> Path:
    """The Python of an environment with the peer; see `peers.environment`.

    Raises:
        NotHere: It cannot be made.
    """
    return peers.environment(folder, [peers.OPENCV_CONTRIB], say, size_mb=250)


def weights(name: str) -> Path:
    """The frozen graph that a model was made from: of the store, or of the larger data set.

    Raises:
        ModelError: It is in neither, or not what the catalogue says.
    """
    try:
        return find_file(name)
    except ModelMissing:
        data, entry = data_folder(), read_catalogue().entry(name)
        kept = data / "models" / "sr" / entry.file if data is not None else None
        if kept is None or not kept.is_file():
            raise
        if hashlib.sha256(kept.read_bytes()).hexdigest() != entry.sha256:
            raise ModelCorrupt(f"{kept}: not the file that the catalogue names") from None
        return kept


class DnnSuperres(Closing):
    """One process of the peer, with the models that it was given."""

    def __init__(self, python: Path, *, threads: int, limit_s: float = _LIMIT_S) -> None:
        """Starts it.

        Args:
            python: Of its environment.
            threads: How many it may take.
            limit_s: How long it may take over one answer.

        Raises:
            PeerFailed: It does not start.
        """
        self.limit_s = limit_s
        self._shown: U8 | None = None
        self._loaded: set[str] = set()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        try:
            # -I: not what stands beside the script.
            self._child = subprocess.Popen(
                [str(python), "-I", upscale_cv2.__file__, str(threads)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
            )
        except OSError as error:
            self._errors.close()
            raise PeerFailed(f"{python}: cannot be started: {error.strerror}") from error
        try:
            self.opencv = str(self._ask({"ask": "hello"})["opencv"])
        except BaseException:
            self.close()
            raise

    def load(self, name: str, path: Path, kind: str, scale: int) -> None:
        """Loads a model, unless it has it.

        Args:
            name: What it is called from now on.
            path: Its frozen graph.
            kind: What OpenCV calls its family: edsr, espcn, fsrcnn.
            scale: By what it enlarges.

        Raises:
            PeerFailed: It cannot.
        """
        if name not in self._loaded:
            about = {"name": name, "path": str(path), "kind": kind, "scale": scale}
            self._ask({"ask": "load", **about})
            self._loaded.add(name)

    def enlarge(self, name: str, pixels: U8) -> U8:
        """Enlarges a picture.

        Args:
            name: The model.
            pixels: uint8 (h, w, 3): B, G, R.

        Returns:
            uint8 (scale * h, scale * w, 3).

        Raises:
            PeerFailed: It cannot.
        """
        self._show(pixels)
        answer = self._ask({"ask": "enlarge", "name": name, "give": True})
        out: U8 = np.frombuffer(answer["bytes"], np.uint8).reshape(answer["shape"])
        return out

    def timed(self, name: str, pixels: U8) -> int:
        """Enlarges a picture and throws the result away.

        Returns:
            What the call took in the peer, in nanoseconds, without the pipe.

        Raises:
            PeerFailed: It cannot.
        """
        self._show(pixels)
        return int(self._ask({"ask": "enlarge", "name": name, "give": False})["took_ns"])

    def close(self) -> None:
        """Ends the process."""
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    continue  # what was still to be said to a process that has ended
        try:
            self._child.wait(_END_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._errors.close()

    def _show(self, pixels: U8) -> None:
        """Hands a picture over, unless it is the one that the peer has."""
        if self._shown is not pixels:
            about = {"ask": "picture", "shape": pixels.shape, "bytes": pixels.nbytes}
            self._shown = None
            self._ask(about, pixels.tobytes())
            self._shown = pixels

    def _ask(self, question: dict[str, Any], more: bytes = b"") -> dict[str, Any]:
        to, back = self._child.stdin, self._child.stdout
        if to is None or back is None or to.closed:
            raise PeerFailed("cv2.dnn_superres: the process is closed")
        # One that hangs is ended; the pipe then ends as well.
        guard = threading.Timer(self.limit_s, self._child.kill)
        guard.start()
        try:
            to.write(json.dumps(question).encode() + b"\n" + more)
            to.flush()
            line = back.readline()
            is_whole = line.endswith(b"\n")
            answer: dict[str, Any] = json.loads(line) if is_whole else {}
            length = int(answer.get("length", 0)) if question.get("give") else 0
            answer["bytes"] = back.read(length) if length else b""
            if not is_whole or len(answer["bytes"]) < length:
                raise PeerFailed(f"cv2.dnn_superres: gave no answer: {self._last_words()}")
        except OSError as error:
            raise PeerFailed(f"cv2.dnn_superres: has ended: {self._last_words()}") from error
        finally:
            guard.cancel()
            guard.join()
        if "error" in answer:
            raise PeerFailed(f"cv2.dnn_superres: {answer['error']}")
        return answer

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        return said[-1][:300] if said else "no word of why"
