"""Measured in a child, once, kept beside the graph, and an upper bound of what other tiles take."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from faceguard.engines.errors import ModelCorrupt, NoRoom
from faceguard.engines.upscaling.footprint import Footprint, work_pixels
from faceguard.engines.upscaling.limits import Limit, read_limits
from faceguard.engines.upscaling.measuring import Subject, footprint_of
from faceguard.engines.upscaling.tile import Tile
from tests.engines.upscaling.memory_tools import MIB, run_program, subject, write_network

OTHER_TILES = [(48, 48, 1), (1, 3000, 1), (64, 64, 3), (100, 250, 1), (320, 320, 1), (400, 512, 1)]
GROWING_TILES = [(side, side, 1) for side in range(140, 321, 20)]

PEAKS = """
import json, sys
from pathlib import Path
import numpy as np
from faceguard.engines.catalogue import Enlarging
from faceguard.engines.onnx import OnnxRuntime
from faceguard.engines.upscaling.limits import forget_peak, held, peaks
from faceguard.engines.upscaling.tile import Tile
from faceguard.engines.upscaling.upscaler import Upscaler
forget_peak()
begun = held()
runtime = OnnxRuntime(Path(sys.argv[1]), threads=2, steady=True)
print(json.dumps({"load": peaks()[0] - begun.resident}))
tile = None
enlarging = Enlarging(scale=2, colours="luma", overlap_px=4)
upscaler = Upscaler(runtime, enlarging, lambda *_: tile, name="made")
before = held()
for width, height, batch in json.loads(sys.argv[2]):
    tile = Tile(width, height, batch)
    forget_peak()
    upscaler.many([np.zeros((height, width, 3), np.uint8)] * batch)
    print(json.dumps({"resident": peaks()[0] - before.resident}))
"""


@pytest.fixture
def graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "store").mkdir()
    return write_network(tmp_path / "store/made-x2.onnx")


def measure(what: Subject, said: list[str], limit: Limit | None = None) -> Footprint:
    return footprint_of(what, limit or read_limits()[0], threads=2, say=said.append)


def note_of(graph: Path) -> Path:
    return graph.with_name("made-x2.onnx.memory.json")


def test_an_upper_bound_of_what_other_tiles_take(graph):
    made = measure(subject(graph), [])
    code, (load, *peaks), err = run_program(PEAKS, str(graph), json.dumps(OTHER_TILES))
    assert code == 0, err
    assert load["load"] <= made.loading("resident")
    for (width, height, batch), peak in zip(OTHER_TILES, peaks, strict=True):
        said = made.need(work_pixels(Tile(width, height, batch))).resident
        assert peak["resident"] <= said, (width, height, batch)
        # Nor is so much asked for that it would not do: twice, and what pools take once.
        assert said <= 2 * peak["resident"] + 12 * MIB, (width, height, batch)


def test_what_ran_before_does_not_count(graph):
    # Each is a little larger than the last, so that pieces kept of that one would not do for it.
    made = measure(subject(graph), [])
    code, (_, *peaks), err = run_program(PEAKS, str(graph), json.dumps(GROWING_TILES))
    assert code == 0, err
    for (width, height, batch), peak in zip(GROWING_TILES, peaks, strict=True):
        said = made.need(work_pixels(Tile(width, height, batch))).resident
        assert peak["resident"] <= said, (width, height, batch)


def test_measured_once_and_kept_beside_the_graph(graph):
    said: list[str] = []
    first = measure(subject(graph), said)
    assert said == ["measuring the memory of made-x2, once"]
    assert measure(subject(graph), said) == first
    assert len(said) == 1
    assert [path.name for path in graph.parent.iterdir() if path != graph] == [note_of(graph).name]
    assert first.tiles[-1].pixels == 256 * 256
    assert not first.device_bytes


def test_another_runtime_or_number_of_threads_is_measured_anew_and_both_are_kept(graph):
    said: list[str] = []
    what = subject(graph)
    other = replace(what, key=what.key.model_copy(update={"runtime": "onnxruntime 99.0"}))
    first, second = measure(what, said), measure(other, said)
    assert len(said) == 2
    assert (measure(what, said), measure(other, said)) == (first, second)
    assert len(said) == 2


@pytest.mark.parametrize("damage", [b"", b"{", b'{"format": 2}', b"\xff" * 100, b" " * (2 << 20)])
def test_a_damaged_note_is_written_anew(graph, damage):
    said: list[str] = []
    note_of(graph).write_bytes(damage)
    measure(subject(graph), said)
    assert len(said) == 1
    assert measure(subject(graph), said)
    assert len(said) == 1


def test_where_the_store_cannot_be_written_it_is_kept_in_the_users_cache(graph, tmp_path):
    said: list[str] = []
    note_of(graph).mkdir()  # in the way, for root too
    first = measure(subject(graph), said)
    (kept,) = (tmp_path / "cache/faceguard/memory").iterdir()
    assert kept.name == "made-x2-1111111111111111.json"
    assert measure(subject(graph), said) == first
    assert len(said) == 1


def test_where_nothing_can_be_written_it_is_measured_each_time(graph, tmp_path):
    said: list[str] = []
    note_of(graph).mkdir()
    (tmp_path / "cache").write_text("in the way")
    for count in (1, 2):
        assert measure(subject(graph), said)
        assert len(said) == count
    assert {path.name for path in graph.parent.iterdir()} == {graph.name, note_of(graph).name}


def test_two_that_come_at_once_measure_once(graph):
    said: list[str] = []
    found: list[Footprint] = []
    threads = [
        threading.Thread(target=lambda: found.append(measure(subject(graph), said)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(said) == 1
    assert len(found) == 3
    assert len(set(map(str, found))) == 1


def test_a_damaged_graph_is_told_as_it_is(graph):
    graph.write_bytes(graph.read_bytes()[:2000])
    with pytest.raises(ModelCorrupt, match="not a graph that ONNX Runtime can run"):
        measure(subject(graph), [])
    assert not note_of(graph).exists()


def test_too_little_even_to_measure(graph):
    limit = Limit(1 * MIB, 0, "of this test", "resident", shared=False)
    with pytest.raises(
        NoRoom, match=r"measuring what it takes needs more than 1.0 MB, .* raise it by"
    ):
        measure(subject(graph), [], limit)
    # Weights that are larger than what is free spare the attempt.
    limit = replace(limit, free_bytes=1000)
    said: list[str] = []
    with pytest.raises(
        NoRoom, match=r"loading it takes more than 8\d KB, .* 1000 B is free of this test; raise it"
    ):
        measure(subject(graph), said, limit)
    assert not said
    assert not note_of(graph).exists()


def test_what_was_measured_in_part_is_not_kept(graph):
    # Enough to load it and for some tiles, not for all.
    whole = measure(subject(graph), [])
    note_of(graph).unlink()
    free = whole.loaded.resident + whole.tiles[1].need.resident
    limit = replace(read_limits()[0], free_bytes=free, reserve_bytes=0)
    part = measure(subject(graph), [], limit)
    assert 1 <= len(part.tiles) < len(whole.tiles)
    assert not note_of(graph).exists()
