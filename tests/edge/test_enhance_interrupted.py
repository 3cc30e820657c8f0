"""Ctrl-C during a tile that takes minutes: `faceguard enhance` ends at once, with nothing left."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import yaml

from faceguard.engines.store import PREPARER, Manifest
from faceguard.engines.upscaling.footprint import Footprint, Measure, Need
from faceguard.engines.upscaling.measuring import key_of
from faceguard.engines.upscaling.notes import keep_note
from tests.engines.slow_graphs import SIDE_PX, write_slow

NAME = "slow-x2"
LIMIT_S = 60.0
PROGRAM = "import sys; from faceguard.edge.cli import main; sys.exit(main())"


def make_store(home: Path) -> Path:
    """A store for XDG_DATA_HOME that has the network, measured already; gives the catalogue."""
    folder = home / "faceguard/models"
    folder.mkdir(parents=True)
    graph = write_slow(folder / f"{NAME}.onnx")
    sha256 = hashlib.sha256(graph.read_bytes()).hexdigest()
    manifest = Manifest(name=NAME, source_sha256="0" * 64, sha256=sha256, preparer=PREPARER)
    (folder / f"{NAME}.json").write_text(manifest.model_dump_json())
    little = Need(resident=1 << 20, address=1 << 20)
    tiles = (Measure(pixels=1024, need=little), Measure(pixels=1 << 20, need=little))
    key = key_of(sha256, "plain", 0)
    assert keep_note(graph, Footprint(key=key, load=little, loaded=little, tiles=tiles)) is not None
    entry = {
        "kind": "model",
        "about": "drawn",
        "licence": "none",
        "bytes": 1,
        "from": [{"url": "https://faceguard.invalid/made.pb"}],
        "task": "super-resolution",
        "file": "made.pb",
        "sha256": "0" * 64,
        "enlarging": {"scale": 2, "colours": "bgr", "overlap_px": 4},
    }
    shipped = yaml.safe_load((Path("configs/models.yaml")).read_text(encoding="utf-8"))
    shipped["entries"][NAME] = entry
    catalogue = home / "models.yaml"
    catalogue.write_text(yaml.safe_dump(shipped), encoding="utf-8")
    return catalogue


def cpu_s(process: subprocess.Popen[bytes]) -> float:
    """What it has computed so far."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_tile_is_not_waited_for(tmp_path):
    catalogue = make_store(tmp_path / "home")
    folder, output = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    picture = np.random.default_rng(1).integers(0, 256, (SIDE_PX, SIDE_PX, 3), np.uint8)
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(folder / name), picture)
    words = ["enhance", str(folder), "-o", str(output), "--model", NAME, "--no-redact"]
    said = tmp_path / "said"
    with said.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *words],
            stderr=errors,
            env={
                **os.environ,
                "XDG_DATA_HOME": str(tmp_path / "home"),
                "FACEGUARD_MODELS": "",
                "FACEGUARD_CATALOGUE": str(catalogue),
            },
        )
        try:
            deadline = time.monotonic() + LIMIT_S
            while b"working" not in said.read_bytes():
                assert process.poll() is None, said.read_text()
                assert time.monotonic() < deadline, said.read_text()
                time.sleep(0.02)
            # Opening the picture takes next to nothing: what computes is the tile.
            begun = cpu_s(process)
            while cpu_s(process) < begun + 1:
                assert process.poll() is None, said.read_text()
                assert time.monotonic() < deadline, said.read_text()
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            assert process.wait(LIMIT_S) == 130, said.read_text()
        finally:
            process.kill()
            process.wait()
    text = said.read_text()
    assert "Traceback" not in text
    assert "onnxruntime" not in text
    # It was asked for: no file has failed.
    assert "slow.onnx" not in text
    assert "failed" not in text
    assert not [path for path in output.glob("*") if path.suffix == ".png"]
