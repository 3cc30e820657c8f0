"""Reading power modes from files as boards have them, whole and broken; and which one is right."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceguard.edge.heat.modes.power_mode import Mode, Modes, read_mode, read_modes
from faceguard.edge.heat.modes.power_proposal import Facts, propose
from tests.edge.heat.jetson import CONFIGURATION, MODEL, Board

ALL = (Mode(0, "15W"), Mode(1, "25W"), Mode(2, "MAXN_SUPER"), Mode(3, "7W", cores_off=2))
SMALL_BOARD = (
    Mode(0, "10W"),
    Mode(1, "7W_AI", cores_off=2),
    Mode(2, "7W_CPU"),
    Mode(3, "25W"),
    Mode(4, "MAXN_SUPER"),
)
FINE = Facts(MODEL, has_fan=True, over_current=0)


def test_an_orin_nano_through_its_link(tmp_path: Path) -> None:
    Board(tmp_path, mode=2)
    modes = read_modes(tmp_path)
    assert modes.all == ALL
    assert modes.default == Mode(1, "25W")
    assert read_mode(tmp_path) == Mode(2, "MAXN_SUPER")
    assert modes.by_name("maxn_super") == Mode(2, "MAXN_SUPER")
    assert modes.by_name("30W") is None


@pytest.mark.parametrize(
    ("status", "name"),
    [
        ("pmode:0000", "15W"),
        ("pmode:0003\n", "7W"),
        ("fmode:cool pmode:0001\n", "25W"),
        ("pmode: 2 fmode:fan_mode_quiet", "MAXN_SUPER"),
        ("", None),
        ("\n", None),
        ("pmode:", None),
        ("pmode:0009", None),
        ("pmode:-1", None),
        ("pmode:00000000000000000000002", None),
        ("fmode:fan_mode_quiet", None),
        ("pm\0de:0002", None),
    ],
)
def test_the_status_file(tmp_path: Path, status: str, name: str | None) -> None:
    Board(tmp_path).lay("var/lib/nvpmodel/status", status)
    mode = read_mode(tmp_path)
    assert (None if mode is None else mode.name) == name


def test_nothing_there(tmp_path: Path) -> None:
    assert read_modes(tmp_path) == Modes()
    assert read_mode(tmp_path) is None


def test_a_link_that_leads_nowhere(tmp_path: Path) -> None:
    board = Board(tmp_path)
    (board.root / "etc/nvpmodel/nvpmodel_p3767_0003_super.conf").unlink()
    assert read_modes(tmp_path) == Modes()
    assert read_mode(tmp_path) is None


def test_a_folder_in_the_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "etc/nvpmodel.conf").mkdir(parents=True)
    (tmp_path / "var/lib/nvpmodel/status").mkdir(parents=True)
    assert read_modes(tmp_path) == Modes()
    assert read_mode(tmp_path) is None


def test_lines_that_cannot_be_meant(tmp_path: Path) -> None:
    path = tmp_path / "etc/nvpmodel.conf"
    path.parent.mkdir()
    path.write_text(
        "< POWER_MODEL NAME=NO_ID >\n"
        "< POWER_MODEL ID=1 >\n"
        "< POWER_MODEL ID=x NAME=NO_NUMBER >\n"
        "< POWER_MODEL ID=2 NAME=\x1b[31mRED >\n"
        "# < POWER_MODEL ID=5 NAME=COMMENT >\n"
        "<POWER_MODEL  NAME=MODE_30W_2CORE  ID=4>\r\n"
        "CPU_ONLINE CORE_4 0\n"
        "< POWER_MODEL ID=4 NAME=AGAIN >\n"
        "CPU_ONLINE CORE_5 0\n"
        "< PM_CONFIG DEFAULT=9 >\n"
    )
    assert read_modes(tmp_path) == Modes((Mode(4, "MODE_30W_2CORE", cores_off=1),))


@given(
    cut=st.integers(0, len(CONFIGURATION)),
    at=st.integers(0, len(CONFIGURATION)),
    junk=st.binary(max_size=40),
    status=st.binary(max_size=40) | st.sampled_from([b"pmode:0000", b"pmode:0003"]),
)
def test_damage_never_raises(cut: int, at: int, junk: bytes, status: bytes) -> None:
    whole = CONFIGURATION.encode()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "etc").mkdir()
        (root / "var/lib/nvpmodel").mkdir(parents=True)
        (root / "etc/nvpmodel.conf").write_bytes((whole[:at] + junk + whole[at:])[:cut])
        (root / "var/lib/nvpmodel/status").write_bytes(status)
        modes, mode = read_modes(root), read_mode(root)
    assert len({found.id for found in modes.all}) == len(modes.all)
    assert all(found.name.isascii() and found.name.isprintable() for found in modes.all)
    assert mode is None or mode in modes.all
    assert modes.default is None or modes.default in modes.all


@pytest.mark.parametrize(
    ("name", "watts"),
    [
        ("15W", 15),
        ("MODE_30W", 30),
        ("MODE_15W_DESKTOP", 15),
        ("7W_AI", 7),
        ("MAXN", float("inf")),
        ("MAXN_SUPER", float("inf")),
        ("MINE", None),
        ("15WAYS", None),
    ],
)
def test_watts_by_name(name: str, watts: float | None) -> None:
    assert Mode(0, name).watts == watts


@pytest.mark.parametrize(
    ("present", "facts", "proposed", "reason"),
    [
        ("15W", FINE, "15W", "nothing speaks against it"),
        ("25W", FINE, "25W", "nothing speaks against it"),
        ("MAXN_SUPER", FINE, "MAXN_SUPER", "nothing speaks against it"),
        ("7W", FINE, "15W", "7W switches 2 CPU cores off"),
        ("7W", Facts(MODEL, has_fan=False), "15W", "7W switches 2 CPU cores off"),
        ("15W", Facts(MODEL, has_fan=False), "15W", "nothing speaks against it"),
        ("25W", Facts(MODEL, has_fan=False), "15W", "no fan is found"),
        ("MAXN_SUPER", Facts(MODEL, has_fan=False, over_current=3), "15W", "no fan is found"),
        ("MAXN_SUPER", Facts(MODEL, True, over_current=3), "25W", "over-current 3 times"),
        ("25W", Facts(MODEL, True, over_current=1), "15W", "over-current once"),
        ("25W", Facts(MODEL, True, throttling=("gpu-throttle-alert",)), "15W", "gpu-throttle-"),
        ("15W", Facts(MODEL, True, over_current=1), "15W", "less would not do"),
        ("25W", Facts(MODEL, True, over_current=None), "25W", "nothing speaks against it"),
    ],
)
def test_an_orin_nano(present: str, facts: Facts, proposed: str, reason: str) -> None:
    modes = Modes(ALL)
    proposal = propose(modes, modes.by_name(present), facts)
    assert proposal.mode == proposed
    assert reason in proposal.reason


@pytest.mark.parametrize(
    ("present", "facts", "proposed"),
    [
        ("7W_AI", FINE, "10W"),
        ("7W_CPU", FINE, "10W"),
        ("25W", Facts(MODEL, has_fan=False), "10W"),
        ("25W", Facts(MODEL, has_fan=True, over_current=2), "10W"),
        ("10W", FINE, "10W"),
    ],
)
def test_the_one_with_4_gb_has_no_15w(present: str, facts: Facts, proposed: str) -> None:
    modes = Modes(SMALL_BOARD)
    assert propose(modes, modes.by_name(present), facts).mode == proposed


@pytest.mark.parametrize("present", ["7W", "12W"])
def test_cores_that_are_off_weigh_more_than_watts(present: str) -> None:
    modes = Modes((*ALL, Mode(5, "12W", cores_off=1)))
    assert propose(modes, modes.by_name(present), FINE).mode == "15W"


@pytest.mark.parametrize(
    ("present", "facts", "reason"),
    [
        (Mode(0, "MAXN"), Facts("NVIDIA Jetson AGX Thor Developer Kit", True), "no rule for this"),
        (Mode(0, "MAXN"), Facts("", True), "no rule for this board (unnamed)"),
        (None, FINE, "not known which mode is in force"),
        (Mode(7, "MINE"), FINE, "a mode of your own"),
    ],
)
def test_no_opinion(present: Mode | None, facts: Facts, reason: str) -> None:
    proposal = propose(Modes(ALL), present, facts)
    assert proposal.mode is None
    assert reason in proposal.reason


@given(
    board=st.sampled_from([ALL, SMALL_BOARD]),
    number=st.integers(0, 4),
    has_fan=st.booleans(),
    over_current=st.none() | st.integers(0, 9),
    throttling=st.sampled_from([(), ("cpu-throttle-alert",)]),
)
def test_a_proposal_is_always_a_mode_that_will_do(
    board: tuple[Mode, ...],
    number: int,
    has_fan: bool,
    over_current: int | None,
    throttling: tuple[str, ...],
) -> None:
    modes, present = Modes(board), board[number % len(board)]
    facts = Facts(MODEL, has_fan, over_current, throttling)
    proposed = modes.by_name(propose(modes, present, facts).mode or "")
    assert proposed is not None
    assert proposed.cores_off == 0
    assert (proposed.watts or 0) >= 10
    # More than now only where now is too little.
    assert (proposed.watts or 0) <= (present.watts or 0) or (present.watts or 0) < 10
    # Once the strain is gone, the mode stays where it was put.
    calm = propose(modes, proposed, Facts(MODEL, has_fan, 0))
    assert calm.mode == proposed.name
