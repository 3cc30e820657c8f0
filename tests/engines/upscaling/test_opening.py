"""By name to an upscaler: which graph, measured when, refused with what."""

from __future__ import annotations

import hashlib
import threading
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest

from faceguard.engines.catalogue import Catalogue, read_catalogue
from faceguard.engines.errors import (
    ModelCorrupt,
    ModelMissing,
    ModelUnknown,
    NoRoom,
    UsageError,
)
from faceguard.engines.manifest import BuiltFor, EngineManifest, InputNote, OutputNote
from faceguard.engines.upscaling.limits import held
from faceguard.engines.upscaling.opening import open_upscaler, usual_upscaler
from faceguard.engines.upscaling.tile import Tile
from tests.children import children
from tests.engines.upscaling.enlarging_graphs import apart, noise
from tests.engines.upscaling.memory_tools import (
    MIB,
    SCALE,
    make_store,
    run_program,
    write_network,
)

# Of the made network, whatever its tile: the library's threads, weights and pools.
PICTURE = noise(np.random.default_rng(4), 90, 70)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("FACEGUARD_MODELS", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def made(home: Path) -> Catalogue:
    return make_store(home)


def form_of(home: Path, name: str) -> bool:
    return (home / f"faceguard/models/{name}.onnx.memory.json").exists()


def test_measured_when_it_is_first_opened_and_never_again(made, home):
    said: list[str] = []
    with open_upscaler("made-x2", catalogue=made, threads=2, say=said.append) as upscaler:
        large = upscaler.bgr(PICTURE)
        assert (upscaler.name, upscaler.scale, upscaler.colours) == ("made-x2", SCALE, "luma")
    assert said == ["measuring the memory of made-x2, once"]
    assert form_of(home, "made-x2")
    with open_upscaler("made-x2", catalogue=made, threads=2, say=said.append) as upscaler:
        assert (upscaler.bgr(PICTURE) == large).all()
    assert len(said) == 1
    # Alone, in many, and a plane: all are admitted.
    with open_upscaler("made-x2", catalogue=made, threads=2) as upscaler:
        first, second = upscaler.many([PICTURE, PICTURE[:30, :20]])
        assert (first == large).all()
        assert second.shape == (60, 40, 3)
        assert upscaler.luma(PICTURE[:, :, 0]).shape == (180, 140)


def test_nothing_is_left_when_it_is_closed(made):
    def left() -> tuple[int, int, int]:
        return (
            len([*Path("/proc/self/fd").iterdir()]),
            len([*Path("/proc/self/task").iterdir()]),
            threading.active_count(),
        )

    with open_upscaler("made-x2", catalogue=made, threads=2) as upscaler:
        upscaler.bgr(PICTURE)  # OpenCV's own threads stay
    before, started = left(), children()
    for _ in range(3):
        with open_upscaler("made-x2", catalogue=made, threads=2) as upscaler:
            upscaler.bgr(PICTURE)
    assert left() == before
    assert children() <= started


def test_memory_is_given_back_when_asked_for_and_at_the_end(made):
    with open_upscaler("made-x2", catalogue=made, threads=2) as upscaler:
        picture = np.zeros((256, 256, 3), np.uint8)
        large = upscaler.bgr(picture)
        kept = held().resident
        upscaler.release()
        assert held().resident < kept - 15 * MIB
        assert (upscaler.bgr(picture) == large).all()
    assert held().resident < kept - 15 * MIB


def test_the_rewritten_graph_is_taken_where_there_is_room_for_a_worthwhile_tile(home):
    made = make_store(home, overlap_px=50, rewritten=True)
    with open_upscaler("made-x2", catalogue=made, threads=2) as upscaler:
        large = upscaler.bgr(PICTURE)
    assert form_of(home, "made-x2.rewritten")
    assert not form_of(home, "made-x2")
    # Room for a tile of 150 px, three overlaps, and not for one of 300.
    most = held().resident + 70 * MIB
    with open_upscaler("made-x2", catalogue=made, threads=2, memory_limit_bytes=most) as upscaler:
        assert apart(upscaler.bgr(PICTURE), large) <= 1
    assert form_of(home, "made-x2")
    with pytest.raises(NoRoom, match=r"loading it takes .*, with the smallest tile \(150x150\)"):
        open_upscaler(
            "made-x2",
            catalogue=made,
            threads=2,
            memory_limit_bytes=held().resident + 30 * MIB,
        )


def test_too_little_to_load_it_is_said_with_the_figures(made):
    limit = held().resident + 10 * MIB
    with pytest.raises(NoRoom) as refused:
        open_upscaler("made-x2", catalogue=made, threads=2, memory_limit_bytes=limit)
    assert "under --memory-limit" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert refused.value.exit_code == 8


def test_names_that_cannot_be_meant(made):
    with pytest.raises(UsageError, match="finder does not enlarge pictures; these do: made-x2"):
        open_upscaler("finder", catalogue=made)
    with pytest.raises(ModelUnknown, match="did you mean made-x2"):
        open_upscaler("made-x3", catalogue=made)


def test_a_model_that_is_not_there_or_damaged(made, home):
    graph = home / "faceguard/models/made-x2.onnx"
    data = graph.read_bytes()
    graph.write_bytes(data[:-1] + b"\0\0")
    with pytest.raises(ModelCorrupt, match="sha256 is"):
        open_upscaler("made-x2", catalogue=made)
    graph.unlink()
    with pytest.raises(ModelMissing, match="faceguard models pull made-x2"):
        open_upscaler("made-x2", catalogue=made)


def test_the_usual_model_of_a_scale(made):
    shipped = read_catalogue()
    assert [usual_upscaler(scale, shipped) for scale in (2, 3, 4)] == [
        "espcn-x2",
        "espcn-x3",
        "espcn-x4",
    ]
    assert usual_upscaler(2, made) == "made-x2"
    with pytest.raises(UsageError, match="enlarges 3 times; take one of 2"):
        usual_upscaler(3, made)


def write_engine(folder: Path, catalogue_name: str | None, sides: tuple[int, int]) -> Path:
    """An engine of ONNX Runtime with its manifest, as `engines build --backend onnx` leaves it."""
    folder.mkdir()
    engine = write_network(folder / "engine.onnx")
    data = engine.read_bytes()
    low, high = sides
    note = InputNote(
        name="in",
        dtype="float32",
        minimum=(1, 1, low, low),
        optimum=(1, 1, high, high),
        maximum=(1, 1, high, high),
    )
    manifest = EngineManifest(
        name="made",
        catalogue=catalogue_name,
        key="0" * 64,
        backend="onnx",
        precision="fp32",
        file=engine.name,
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        source={"sha256": "0" * 64},
        graph_sha256="0" * 64,
        inputs=(note,),
        outputs=(OutputNote(name="out", dtype="float32", shape=(None, 1, None, None)),),
        built_for=BuiltFor(),
        made=datetime.now(timezone.utc).isoformat(),
    )
    (folder / "manifest.json").write_text(manifest.model_dump_json())
    return engine


def test_a_built_engine_takes_tiles_of_its_profile(made, tmp_path):
    engine = write_engine(tmp_path / "engine", "made-x2", (16, 48))
    said: list[str] = []
    with open_upscaler("made-x2", catalogue=made, threads=2) as upscaler:
        want = upscaler.bgr(PICTURE)
    with open_upscaler(
        "made-x2", catalogue=made, engine=engine, threads=2, say=said.append
    ) as upscaler:
        tile, count = upscaler.planned(90, 70)
        assert max(tile.width, tile.height) <= 48
        assert count > 1
        assert apart(upscaler.bgr(PICTURE), want) <= 1
        # Smaller than the smallest: filled up, and cut again.
        assert upscaler.bgr(PICTURE[:5, :9]).shape == (10, 18, 3)
    assert said == ["measuring the memory of made-x2, once"]
    assert (tmp_path / "engine/engine.onnx.memory.json").exists()
    with open_upscaler("made-x2", catalogue=made, engine=engine, threads=2, say=said.append):
        assert len(said) == 1


def test_an_engine_of_another_model_is_refused(made, tmp_path):
    for place, other in enumerate(("yunet", None)):
        engine = write_engine(tmp_path / f"engine{place}", other, (16, 48))
        with pytest.raises(UsageError, match=f"built from {other or 'made'}, not made-x2"):
            open_upscaler("made-x2", catalogue=made, engine=engine)


def test_an_engine_whose_tiles_are_all_overlap_is_refused(made, tmp_path):
    # The network's overlap is 4 px on each side.
    engine = write_engine(tmp_path / "small", "made-x2", (4, 8))
    with pytest.raises(UsageError, match=r"built for 8x8 px at most, .* build it for 9x9 px") as no:
        open_upscaler("made-x2", catalogue=made, engine=engine)
    assert "\n" not in str(no.value)
    engine = write_engine(tmp_path / "large", "made-x2", (4, 9))
    with open_upscaler("made-x2", catalogue=made, engine=engine, threads=2) as upscaler:
        assert upscaler.bgr(PICTURE[:12, :12]).shape == (24, 24, 3)


def test_to_look_at_a_plan_does_not_change_what_is_kept(made):
    with open_upscaler("made-x2", catalogue=made, threads=2) as upscaler:
        large = upscaler.bgr(PICTURE)
        held_then = upscaler.admission._held
        assert held_then is not None
        assert upscaler.planned(40, 30) == (Tile(40, 30), 1)
        upscaler.many([])  # chooses nothing: what is kept is still of the last
        assert upscaler.admission._held == held_then
        assert (upscaler.bgr(PICTURE) == large).all()


def test_too_little_to_load_the_runtime_is_one_line(home):
    program = """
import json, resource, sys
from pathlib import Path
from faceguard.engines.catalogue import read_catalogue
from faceguard.engines.errors import FaceguardError
from faceguard.engines.upscaling.limits import held
from faceguard.engines.upscaling.opening import open_upscaler
from faceguard.engines.upscaling.pools import start_pools
start_pools()
catalogue = read_catalogue()
assert "onnxruntime" not in sys.modules
most = held().address + 16 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (most, most))
try:
    open_upscaler("espcn-x2", catalogue=catalogue)
except FaceguardError as error:
    print(json.dumps({"kind": type(error).__name__, "said": str(error)}))
"""
    code, (told,), errors = run_program(program)
    assert code == 0, errors
    assert told["kind"] == "NoRoom"
    assert "too little memory even to load onnxruntime" in told["said"]
    assert "ulimit -v" in told["said"]
    assert "\n" not in told["said"]


def test_a_runtime_that_is_damaged_is_one_line(home, tmp_path):
    package = tmp_path / "site/onnxruntime"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('libsomething.so.1: no such file')\n")
    program = """
import json, sys
sys.path.insert(0, sys.argv[1])
from faceguard.engines.errors import FaceguardError
from faceguard.engines.upscaling.opening import open_upscaler
try:
    open_upscaler("espcn-x2")
except FaceguardError as error:
    print(json.dumps({"kind": type(error).__name__, "said": str(error)}))
"""
    code, (told,), errors = run_program(program, str(tmp_path / "site"))
    assert code == 0, errors
    assert told["kind"] == "MissingPackage"
    assert "onnxruntime cannot be loaded: libsomething.so.1: no such file" in told["said"]
