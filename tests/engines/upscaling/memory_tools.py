"""A network of ESPCN's shape in a store of its own, and programs that run in a limited process."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from faceguard.engines.catalogue import Catalogue, Enlarging, Entry
from faceguard.engines.store import PREPARER, Manifest
from faceguard.engines.upscaling.measuring import Subject, key_of

ROOT = Path(__file__).resolve().parents[3]
MIB = 1 << 20
SCALE = 2
OVERLAP_PX = 4


def write_network(path: Path, *, scale: int = SCALE) -> Path:
    """Three convolutions as wide as ESPCN's (Shi et al., 2016), with drawn weights."""
    rng = np.random.default_rng(3)
    sizes = [(64, 1, 5), (32, 64, 3), (scale**2, 32, 3)]
    nodes, weights, last = [], [], "in"
    for place, (gives, takes, side) in enumerate(sizes):
        drawn = rng.normal(0, 1 / (takes * side * side), (gives, takes, side, side))
        weights.append(numpy_helper.from_array(drawn.astype(np.float32), f"w{place}"))
        pads = [side // 2] * 4
        nodes.append(helper.make_node("Conv", [last, f"w{place}"], [f"c{place}"], pads=pads))
        last = f"c{place}"
        if place < 2:
            nodes.append(helper.make_node("Relu", [last], [f"r{place}"]))
            last = f"r{place}"
    nodes.append(helper.make_node("DepthToSpace", [last], ["out"], blocksize=scale))
    kind = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "shape of espcn",
        [helper.make_tensor_value_info("in", kind, ["n", 1, "h", "w"])],
        [helper.make_tensor_value_info("out", kind, ["n", 1, "H", "W"])],
        weights,
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def subject(path: Path, **changes: Any) -> Subject:
    """The network as `measuring` takes it."""
    enlarging = Enlarging(scale=SCALE, colours="luma", overlap_px=OVERLAP_PX)
    key = key_of("1" * 64, "plain", 2)
    return Subject(path, "made-x2", key, True, enlarging, **changes)


def make_store(home: Path, *, overlap_px: int = OVERLAP_PX, rewritten: bool = False) -> Catalogue:
    """A store, for XDG_DATA_HOME, that has the network; and its catalogue."""
    folder = home / "faceguard/models"
    folder.mkdir(parents=True)
    graph = write_network(folder / "made-x2.onnx")
    digest = hashlib.sha256(graph.read_bytes()).hexdigest()
    if rewritten:
        (folder / "made-x2.rewritten.onnx").write_bytes(graph.read_bytes())
    manifest = Manifest(
        name="made-x2",
        source_sha256="0" * 64,
        sha256=digest,
        preparer=PREPARER,
        rewritten_sha256=digest if rewritten else None,
    )
    (folder / "made-x2.json").write_text(manifest.model_dump_json())
    place = {"url": "https://faceguard.invalid/made.pb"}
    facts = {"kind": "model", "about": "drawn", "licence": "none", "bytes": 1, "from": [place]}
    enlarging = Enlarging(
        scale=SCALE, colours="luma", overlap_px=overlap_px, rewritten=rewritten
    ).model_dump()
    return Catalogue(
        default="finder",
        entries={
            "finder": Entry(
                name="finder",
                task="face-detection",
                family="yunet",
                file="found.onnx",
                sha256="2" * 64,
                input={"fixed_px": 64},
                score={"start": 0.5, "keep": 0.3},
                **facts,
            ).model_dump(by_alias=True),
            "made-x2": {
                **facts,
                "task": "super-resolution",
                "file": "made.pb",
                "sha256": "0" * 64,
                "enlarging": enlarging,
            },
        },
    )


def run_program(program: str, *words: str, **environment: str) -> tuple[int, list[Any], str]:
    """Runs a program of Python in a process of its own.

    Returns:
        Its exit code, what it printed as JSON, and its standard error.
    """
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
        timeout=300,
        check=False,
    )
    said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return done.returncode, said, done.stderr
