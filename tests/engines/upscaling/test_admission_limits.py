"""Under a limit that the kernel holds: done, or refused with figures; never killed, never a crash.

Each program is a process of its own. The result's pages are all touched before the first tile, as
they would be at the end, so that a few tiles of a large picture show what all of it takes.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from faceguard.engines.catalogue import read_catalogue
from tests.engines.upscaling.memory_tools import MIB, make_store, run_program

PROGRAM = """
import json, os, resource, sys
import cv2, onnxruntime
import numpy as np
from faceguard.engines.catalogue import Catalogue, read_catalogue
from faceguard.engines.errors import FaceguardError
from faceguard.engines.upscaling.limits import forget_peak, held, peaks
from faceguard.engines.upscaling.opening import AdmittedUpscaler, open_upscaler

class Enough(Exception):
    pass

plain_empty = AdmittedUpscaler._empty
def touched(self, picture):
    out = plain_empty(self, picture)
    out.fill(1)
    return out
AdmittedUpscaler._empty = touched

catalogue_json, name, side, tiles, how, *amounts = sys.argv[1:]
catalogue = Catalogue.model_validate_json(catalogue_json) if catalogue_json else read_catalogue()
side, tiles = int(side), int(tiles)
picture = np.full((side, side, 3), 9, np.uint8)

def some(done, of):
    if done == tiles:
        raise Enough

code = 0
for amount in map(int, amounts):
    before = held()
    most, limit_bytes = None, None
    forget_peak()
    if how == "as":
        most = before.address + amount
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))
    elif how == "data":
        most = before.data + amount
        resource.setrlimit(resource.RLIMIT_DATA, (most, resource.RLIM_INFINITY))
    elif how == "option":
        most = limit_bytes = before.resident + amount
    told = {"most": most, "amount": amount}
    try:
        with open_upscaler(
            name, threads=2, memory_limit_bytes=limit_bytes, catalogue=catalogue
        ) as upscaler:
            tile, count = upscaler.planned(side, side)
            told |= {"tile": [tile.width, tile.height], "count": count}
            try:
                upscaler.bgr(picture, on_tile=some if tiles else None)
            except Enough:
                pass
    except FaceguardError as error:
        told |= {"refused": str(error), "code": error.exit_code}
        code = error.exit_code
    told["peak"] = peaks()[0]
    print(json.dumps(told), flush=True)
    for number in (resource.RLIMIT_AS, resource.RLIMIT_DATA):
        resource.setrlimit(number, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
sys.exit(code if len(amounts) == 1 else 0)
"""

CRASHES = ("MemoryError", "bad_alloc", "Traceback", "terminate called", "core dumped")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """The catalogue as JSON, and the environment in which its model is found."""
    home = tmp_path_factory.mktemp("made")
    catalogue = make_store(home)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("FACEGUARD_MODELS", raising=False)
        yield (
            catalogue.model_dump_json(by_alias=True),
            {"XDG_DATA_HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")},
        )


def enlarge(
    store: tuple[str, dict[str, str]],
    side: int,
    tiles: int,
    how: str,
    *amounts: int,
    before: str = "",
) -> tuple[int, list[Any]]:
    catalogue, environment = store
    words = [catalogue, "made-x2", str(side), str(tiles), how, *map(str, amounts)]
    code, told, err = run_program(before + PROGRAM, *words, **environment)
    assert not any(crash in err for crash in CRASHES), err
    assert len(told) == len(amounts), err
    return code, told


def check_refusal(told: dict[str, Any], *words: str) -> None:
    assert told["code"] == 8
    assert "\n" not in told["refused"]
    for word in ("takes", "is free", "raise it by at least", *words):
        assert word in told["refused"]


def test_4096_square_under_limits_of_address_space(store):
    amounts = [size * MIB for size in (60, 330, 600, 700, 1500)]
    _, told = enlarge(store, 4096, 3, "as", *amounts)
    for each in told:
        if "refused" in each:
            check_refusal(each, "under RLIMIT_AS (ulimit -v)")
    # Too little to load it; for the result; and two that do, with tiles the larger, the more.
    assert ["refused" in each for each in told] == [True, True, False, False, False]
    pixels = [each["tile"][0] * each["tile"][1] for each in told[2:]]
    assert sorted(pixels) == pixels


def test_4096_square_under_limits_of_data_and_by_option(store):
    amounts = [size * MIB for size in (20, 150, 400, 1500)]
    for how, words in (
        ("data", "under RLIMIT_DATA (ulimit -d)"),
        ("option", "under --memory-limit"),
    ):
        _, told = enlarge(store, 4096, 3, how, *amounts)
        for each in told:
            if "refused" in each:
                check_refusal(each, words)
            if how == "option":
                assert each["peak"] <= each["most"]
        assert ["refused" in each for each in told] == [True, True, False, False]


def test_a_whole_picture_stays_under_the_limit(store):
    code, (told,) = enlarge(store, 768, 0, "option", 80 * MIB)
    assert (code, told["peak"] <= told["most"]) == (0, True)
    code, (told,) = enlarge(store, 768, 0, "option", 40 * MIB)
    assert code == 8
    check_refusal(told, "under --memory-limit")
    assert told["peak"] <= told["most"]


@pytest.mark.skipif(platform.machine() == "aarch64", reason="kernels differ; x86-64 shows it")
@pytest.mark.models
def test_edsr_at_1024_square_under_a_limit(engine_path):
    engine_path("edsr-x3")
    assert read_catalogue().entry("edsr-x3").is_rewritten
    words = ["", "edsr-x3", "1024", "1", "option", *(str(size * MIB) for size in (150, 260))]
    code, (small, enough), err = run_program(PROGRAM, *words)
    assert code == 0, err
    assert not any(crash in err for crash in CRASHES), err
    check_refusal(small, "under --memory-limit")
    assert "refused" not in enough, enough
    # A tile of the plain graph; the rewritten one takes twice as much to be loaded alone.
    assert enough["tile"][0] * enough["tile"][1] < 128 * 128
    assert enough["count"] > 100
    assert enough["peak"] <= enough["most"]


@pytest.fixture
def group(tmp_path: Path) -> Iterator[Path]:
    """A control group for memory, of either version, in which a test may put a process."""
    made = None
    for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            made = Path("/sys/fs/cgroup/memory", path.lstrip("/"), f"faceguard-{os.getpid()}")
        elif not controllers and made is None:
            made = Path("/sys/fs/cgroup", path.lstrip("/"), f"faceguard-{os.getpid()}")
    if made is None:
        pytest.skip("no control groups here")
    try:
        made.mkdir()
    except OSError as error:
        pytest.skip(f"{made}: no control group can be made: {error.strerror}")
    try:
        if not any((made / name).exists() for name in ("memory.max", "memory.limit_in_bytes")):
            pytest.skip(f"{made}: control groups of this process do not limit memory")
        yield made
    finally:
        made.rmdir()


def test_4096_square_in_a_control_group(store, group):
    second = (group / "memory.max").exists()
    limit = group / ("memory.max" if second else "memory.limit_in_bytes")
    peak = group / ("memory.peak" if second else "memory.max_usage_in_bytes")
    # In it before anything is loaded, as a service is.
    join = f"import os; open({str(group / 'cgroup.procs')!r}, 'w').write(str(os.getpid()))\n"
    for most, refused in ((260 * MIB, True), (700 * MIB, False)):
        limit.write_text(str(most))
        code, (told,) = enlarge(store, 4096, 3, "group", 0, before=join)
        assert code == (8 if refused else 0)
        assert ("refused" in told) == refused
        if refused:
            check_refusal(told, "control group")
        if peak.exists():
            assert int(peak.read_text()) <= most
        assert killed(group, second=second) == 0


def killed(group: Path, *, second: bool) -> int:
    lines = (group / ("memory.events" if second else "memory.oom_control")).read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.split()[0] == "oom_kill")


FIRST = """
import json, sys
import numpy as np
from faceguard.engines.catalogue import Catalogue
from faceguard.engines.upscaling.footprint import work_pixels
from faceguard.engines.upscaling.limits import held
from faceguard.engines.upscaling.opening import open_upscaler
catalogue = Catalogue.model_validate_json(sys.argv[1])
picture = np.zeros((256, 256, 3), np.uint8)
with open_upscaler("made-x2", threads=2, catalogue=catalogue) as upscaler:
    tile, _ = upscaler.planned(256, 256)
    before = held()
    large = upscaler.bgr(picture)
    now = held()
    said = upscaler.admission._footprint.need(work_pixels(tile))
    print(json.dumps({
        "address": now.address - before.address - large.nbytes, "said": said.address,
        "resident": now.resident - before.resident - large.nbytes, "lies": said.resident,
    }))
"""


def test_the_first_tile_of_a_process_takes_no_more_than_was_said(store):
    # Libraries start threads at the first larger work; these are started, and counted, before.
    catalogue, environment = store
    code, (told,), err = run_program(FIRST, catalogue, **environment)
    assert code == 0, err
    assert 0 < told["address"] <= told["said"]
    assert 0 < told["resident"] <= told["lies"]


RAN_OUT = """
import json, os, resource, sys
import cv2, onnxruntime
import numpy as np
from faceguard.engines.catalogue import Catalogue
from faceguard.engines.errors import FaceguardError
from faceguard.engines.upscaling.limits import held, read_limits
from faceguard.engines.upscaling.opening import open_upscaler
catalogue = Catalogue.model_validate_json(sys.argv[1])
comes_back = sys.argv[2] == "comes back"
picture = np.arange(600 * 500 * 3, dtype=np.uint8).reshape(600, 500, 3)
free = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
seen = []

def others_take_it(done, of):
    seen.append((done, of))
    if len(seen) == 1:
        resource.setrlimit(resource.RLIMIT_AS, (held().address + (8 << 20), free[1]))

def look(limit_bytes):
    if comes_back:
        resource.setrlimit(resource.RLIMIT_AS, free)
    return read_limits(limit_bytes)

with open_upscaler("made-x2", threads=2, catalogue=catalogue) as upscaler:
    want = upscaler.bgr(picture)
    upscaler.release()
    upscaler.admission._limits = look
    told = {}
    try:
        large = upscaler.bgr(picture, on_tile=others_take_it)
        told["same"] = bool((large.astype(int) - want).max() <= 1)
    except FaceguardError as error:
        resource.setrlimit(resource.RLIMIT_AS, free)
        told |= {"refused": str(error), "code": error.exit_code}
    resource.setrlimit(resource.RLIMIT_AS, free)
    told |= {"first": seen[0][1], "last": seen[-1][1]}
    # It goes on as if nothing had been.
    told["again"] = bool((upscaler.bgr(picture) == want).all())
print(json.dumps(told))
"""


def test_memory_that_others_take_after_all_costs_a_second_try_with_half_the_tile(store):
    catalogue, environment = store
    code, (told,), err = run_program(RAN_OUT, catalogue, "comes back", **environment)
    assert code == 0, err
    assert told["same"], told
    assert told["last"] > told["first"]
    assert told["again"]


def test_memory_that_does_not_come_back_is_a_refusal_and_no_crash(store):
    catalogue, environment = store
    code, (told,), err = run_program(RAN_OUT, catalogue, "gone", **environment)
    assert code == 0, err
    assert told["code"] == 8
    assert "under RLIMIT_AS (ulimit -v)" in told["refused"]
    assert told["again"]
    assert not any(crash in err for crash in CRASHES), err
