"""OpenCV's super-resolution (`cv2.dnn_superres`), asked over a pipe; `upscale_peer` starts it.

It runs in an environment of its own, with opencv-contrib, so it knows nothing of faceguard. A
question is a line of JSON, followed by a picture's bytes where it says so; so is the answer. A
call is timed here, around `upsample` alone: uint8 B, G, R in, uint8 B, G, R out.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any, BinaryIO

import cv2
import numpy as np


def main() -> int:
    """Answers until its input ends; its argument is how many threads it may take."""
    # Whatever a library prints must not get between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    cv2.setNumThreads(int(sys.argv[1]))
    upscaler = Upscaler()
    for line in sys.stdin.buffer:
        question = json.loads(line)
        give = b""
        try:
            answer = upscaler.answer(question, sys.stdin.buffer)
            give = answer.pop("bytes", b"")
        except (cv2.error, ValueError) as error:
            answer = {"error": " ".join(str(error).split())[:300]}
        answers.write(json.dumps(answer).encode() + b"\n" + give)
        answers.flush()
    return 0


class Upscaler:
    """The models that were loaded, and the picture that is at hand."""

    def __init__(self) -> None:
        """Nothing is loaded yet."""
        # The stubs of an OpenCV without contrib do not know it.
        self._make: Any = vars(cv2)["dnn_superres"].DnnSuperResImpl_create
        self._models: dict[str, Any] = {}
        self._picture = np.zeros((1, 1, 3), np.uint8)

    def answer(self, question: dict[str, Any], more: BinaryIO) -> dict[str, Any]:
        """Does what one question asks.

        Args:
            question: `ask` says what: `hello`, `load`, `picture`, `enlarge`.
            more: Where a picture's bytes follow.

        Returns:
            The answer; `bytes` goes behind it.

        Raises:
            ValueError: It asks for nothing known.
        """
        ask = question["ask"]
        if ask == "hello":
            return {"opencv": cv2.__version__, "threads": cv2.getNumThreads()}
        if ask == "load":
            model = self._make()
            model.readModel(question["path"])
            model.setModel(question["kind"], question["scale"])
            self._models[question["name"]] = model
            return {}
        if ask == "picture":
            data = more.read(question["bytes"])
            self._picture = np.frombuffer(data, np.uint8).reshape(question["shape"])
            return {}
        if ask == "enlarge":
            model = self._models[question["name"]]
            begun = time.monotonic_ns()
            out = model.upsample(self._picture)
            took_ns = time.monotonic_ns() - begun
            told = {"took_ns": took_ns, "shape": out.shape, "length": out.nbytes}
            return {**told, "bytes": out.tobytes()} if question["give"] else told
        raise ValueError(f"nothing is called {ask}")


if __name__ == "__main__":
    sys.exit(main())
