"""`faceguard status` tells people and scripts how the cameras are."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from faceguard.edge.cli import main
from faceguard.edge.live.health import State
from faceguard.edge.outputs.status import StatusFile
from faceguard.edge.verdict import NOT_READY

WELL = {
    "pid": os.getpid(),
    "version": "0.1.0",
    "name": "front",
    "uptime_s": 11_530.4,
    "camera": {
        "what": "rtsp",
        "state": "up",
        "since_s": 11_000,
        "cause": None,
        "rate": 29.9,
        "size": [1280, 720],
        "session": 2,
    },
    "connections": {"again": 1},
    "rate_out": 29.8,
    "frames": {"in": 324_000, "out": 323_100, "dropped": {"budget": 50, "busy": 850}, "whole": {}},
    "latency_ms": {"p50": 62.0, "p95": 110.4},
    "faces": {"now": 2, "total": 340},
    "outputs": {
        "rtsp": {"up": True, "failures": 0, "dropped": 0, "clients": 2},
        "events": {"up": True, "failures": 3, "dropped": 7, "clients": None},
    },
    "recorded": {"bytes": 5_000_000_000, "paused": False},
    "temperatures_c": {"cpu-thermal": 58.2, "gpu-thermal": 61.4, "cv0-thermal": None},
    "level": 0,
    "budget": "within its limits",
    "paused": False,
    "thermal": {
        "zone": "gpu-thermal",
        "temperature_c": 61.4,
        "limit_c": 75.0,
        "blind": None,
        "has_sensors": True,
        "settles_c": 63.7,
        "level": 0,
        "levels": 32,
        "reason": "within its limits",
        "rate": 29.9,
        "frames_per_s": None,
        "detect_every": 2,
        "power_w": 9.84,
        "mode": "15W",
        "gpu_load": {"value": 0.314, "reason": None},
        "fan": {"value": None, "reason": "gone"},
        "throttled": None,
        "zones": {
            "cpu-thermal": {"value": 58.2, "reason": None, "doubt": None},
            "gpu-thermal": {"value": 61.4, "reason": None, "doubt": None},
            "cv0-thermal": {"value": None, "reason": "busy", "doubt": "busy (EAGAIN)"},
        },
    },
    "blind_s": 0.0,
}


def thermal(**changes):
    return {"thermal": {**WELL["thermal"], **changes}}


@pytest.fixture
def write(tmp_path):
    files = []

    def one(name="front", **changes):
        file = StatusFile(tmp_path, name)
        files.append(file)
        file.write({**WELL, "name": name, **changes})

    yield one
    for file in files:
        file.close()


@pytest.fixture
def status(tmp_path, capsys):
    def run(*words):
        code = main(["status", "--folder", str(tmp_path), *words])
        return code, capsys.readouterr().out

    return run


def test_all_is_well(write, status):
    write()
    code, said = status()
    assert code == 0
    assert said.splitlines() == [
        "front: running for 3 h 12 min, all is well",
        "  camera    up for 3 h 3 min, 1280x720, 29.9 frames/s, rtsp, connected again once",
        "  delay     62 ms mostly, 110 ms for the slowest in twenty",
        "  faces     2 now, 340 since the start",
        "  frames    324,000 in, 323,100 out, 29.8/s now",
        "  dropped   850 busy, 50 budget",
        "  outputs   rtsp works, 2 watching; events works, failed 3 times, dropped 7",
        "  recorded  5,000 MB",
        (
            "  heat      gpu-thermal 61 of 75 C (settles at 64 C), cpu-thermal 58 C, "
            "cv0-thermal no reading (busy (EAGAIN))"
        ),
        "  power     9.8 W, mode 15W, GPU 31%",
        "  level     all frames, level 0 of 31 (within its limits)",
        f"  process   {os.getpid()}, version 0.1.0, wrote this just now",
    ]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"camera": {"state": "lost", "cause": "frozen", "since_s": 3}}, "camera lost (frozen)"),
        ({"camera": {"state": "slow", "cause": "corrupt"}}, "camera slow (corrupt)"),
        ({"camera": None}, "camera unknown"),
        ({"blind_s": 12.0}, "every frame is covered whole for 12 s"),
        ({"covered": "time-out"}, "covered whole (time-out)"),
        ({"paused": True, "budget": "too hot"}, "nothing goes out (too hot)"),
        (
            thermal(level=30, reason="power: 15.2 of 15 W"),
            "it is as slow as it may be (power: 15.2 of 15 W)",
        ),
        (thermal(level=4, blind="gpu: stuck"), "no temperature is believed (gpu: stuck)"),
        (
            thermal(zone="cpu-thermal", temperature_c=78.4, level=4, reason="heat: hot"),
            "cpu-thermal at 78 C, over its limit of 75 C",
        ),
        (thermal(lost={"cpu-thermal": "gone"}), "cpu-thermal is not believed (gone)"),
        (thermal(power_trouble="thermal.power_limit_w is low"), "thermal.power_limit_w is low"),
        (thermal(trace_trouble="no trace is written: full"), "no trace is written: full"),
        ({"outputs": {"rtsp": {"up": False}}}, "rtsp does not work"),
        ({"recorded": {"paused": True, "bytes": 0}}, "no space for recordings"),
    ],
)
def test_trouble_is_told_first_and_is_exit_code_1(write, status, changes, word):
    write(**changes)
    code, said = status()
    assert code == 1
    first = said.splitlines()[0]
    assert first.startswith("front: running for 3 h 12 min, in trouble: ")
    assert word in first


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"level": 3, "reason": "heat: hot"}, "all is well, slowed down for heat"),
        ({"level": 3, "reason": "cooler: so"}, "all is well, slowed down for heat"),
        ({"level": 3, "reason": "power: 9 of 8 W"}, "all is well, slowed down for power"),
        (
            {"level": 1, "reason": "throttled: over-current"},
            "all is well, slowed down since the board is throttled",
        ),
        # A hair above the limit is where it is kept.
        ({"temperature_c": 75.9}, "all is well"),
        ({"lost": {}, "power_trouble": None, "trace_trouble": None}, "all is well"),
    ],
)
def test_to_be_slower_for_heat_is_well_and_is_said(write, status, changes, words):
    write(**thermal(**changes))
    code, said = status()
    assert code == 0
    assert said.splitlines()[0] == f"front: running for 3 h 12 min, {words}"


@pytest.mark.parametrize("state", State)
def test_every_state_of_a_camera_has_words(write, status, state):
    write(camera={**WELL["camera"], "state": state.value, "since_s": 61})
    code, said = status()
    assert f"  camera    {state.value} for 1 min 1 s, 1280x720" in said
    if state in (State.UP, State.ENDED):
        assert code == 0
        assert "all is well" in said
    else:
        assert code == 1
        assert said.splitlines()[0].endswith(f"in trouble: camera {state.value}")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        # At the start: frames come, and the detector is being opened.
        (
            {"blind_s": 0.4, "covered": NOT_READY},
            "frames are covered whole (detector not ready)",
        ),
        # A slate is shown, since it is too hot.
        (
            {"paused": True, "budget": "too hot", "faces": {"now": 0, "total": 3}},
            "nothing goes out (too hot)",
        ),
        # All at once, the camera first.
        (
            {
                "camera": {"state": "lost", "cause": "frozen", "since_s": 5},
                "blind_s": 7.0,
                "paused": True,
                "budget": "too hot",
            },
            "camera lost (frozen); the detector fails, every frame is covered whole for 7 s",
        ),
    ],
)
def test_what_is_shown_instead_of_the_picture_is_said(write, status, changes, words):
    write(**changes)
    code, said = status()
    assert code == 1
    assert words in said.splitlines()[0]


@pytest.mark.parametrize(
    ("changes", "row"),
    [
        (
            {"level": 10, "budget": "heat: hot", **thermal(frames_per_s=17.94)},
            "17.9 of 29.9 frames/s, looks 2 apart, level 10 of 31 (heat: hot)",
        ),
        (
            {"level": 3, "budget": "heat", **thermal(rate=None, frames_per_s=25.7, detect_every=1)},
            "25.7 frames/s, level 3 of 31 (heat)",
        ),
        (
            {"level": 31, "paused": True, "budget": "too hot", **thermal(level=31)},
            "no frames, level 31 of 31 (too hot)",
        ),
        # As an older version wrote it.
        ({"level": 2, "thermal": None}, "2 (within its limits)"),
    ],
)
def test_what_may_be_spent_in_words(write, status, changes, row):
    write(**changes)
    _, said = status()
    assert f"  level     {row}\n" in said


@pytest.mark.parametrize(
    ("changes", "row"),
    [
        (thermal(settles_c=None), "gpu-thermal 61 of 75 C, cpu-thermal 58 C, cv0"),
        (
            {
                "temperatures_c": {"gpu-thermal": None},
                **thermal(temperature_c=None, zone=None, zones={"gpu-thermal": {"doubt": "stuck"}}),
            },
            "gpu-thermal no reading (stuck)\n",
        ),
        ({"temperatures_c": {}, "thermal": {"has_sensors": False, "blind": "none"}}, "no reading"),
        ({"thermal": None}, "cpu-thermal 58 C, gpu-thermal 61 C, cv0-thermal no reading\n"),
    ],
)
def test_how_hot_it_is_in_words(write, status, changes, row):
    write(**changes)
    _, said = status()
    assert f"  heat      {row}" in said


def test_what_throttles_is_said(write, status):
    write(**thermal(throttled="over-current", power_w=None, mode=None, gpu_load=None))
    assert "  power     THROTTLED by over-current\n" in status()[1]


def test_no_sensors_and_none_asked_for_is_no_trouble(write, status):
    write(**thermal(has_sensors=False, blind="no temperature sensor"))
    assert status()[0] == 0


def test_a_process_that_lives_and_writes_no_more_is_in_trouble(write, status, tmp_path):
    """Its main thread hangs, while the rest may go on."""
    write()
    path = tmp_path / "front.json"
    state = json.loads(path.read_text())
    state["written_ns"] -= 9_000_000_000
    path.write_text(json.dumps(state))
    code, said = status()
    assert code == 1
    assert "in trouble: it has said nothing for 9 s" in said.splitlines()[0]
    assert said.splitlines()[-1].endswith("wrote this 9 s ago")
    found = json.loads(status("--json")[1])["front"]
    assert (found["running"], found["well"]) == (True, False)
    assert found["age_s"] >= 9


def test_nothing_runs(status, tmp_path):
    code, said = status()
    assert code == 3
    assert said.startswith(f"no camera is running here (looked in {tmp_path})\n")
    assert "faceguard run --config FILE" in said


def test_a_camera_that_is_not_there(write, status):
    write()
    code, said = status("--name", "back")
    assert code == 3
    assert said.startswith("back is not running here")
    assert "systemctl start faceguard@back" in said


def test_several_cameras(write, status):
    write("front")
    write("back", outputs={"rtsp": {"up": False}})
    code, said = status()
    assert code == 1
    assert [line for line in said.splitlines() if not line.startswith(" ") and line] == [
        "back: running for 3 h 12 min, in trouble: rtsp does not work",
        "front: running for 3 h 12 min, all is well",
    ]
    assert status("--name", "front")[0] == 0


def test_json_is_one_line_for_programs(write, status):
    write(outputs={"rtsp": {"up": False}})
    code, said = status("--json")
    assert code == 1
    assert said.count("\n") == 1
    told = json.loads(said)["front"]
    assert told["running"] is True
    assert told["well"] is False
    assert told["troubles"] == ["rtsp does not work"]
    assert told["status"]["frames"]["in"] == 324_000
    assert status("--json", "--name", "back") == (3, "{}\n")


def test_one_that_was_killed_is_not_running(tmp_path, status):
    code = (
        "import os, sys; from pathlib import Path\n"
        "from faceguard.edge.outputs.status import StatusFile\n"
        "StatusFile(Path(sys.argv[1]), 'front').write({'pid': os.getpid()}); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    code, said = status()
    assert code == 3
    assert said.startswith("front: not running; it did not end as it should")
    assert json.loads(status("--json")[1])["front"]["running"] is False


def test_a_file_that_is_none_of_ours_is_one_line(tmp_path, capsys):
    (tmp_path / "front.json").write_text("{")
    assert main(["status", "--folder", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "front.json: no status file of faceguard" in said
    assert said.count("\n") == 1


def test_the_runtime_folder_is_where_it_looks(write, tmp_path):
    write("front-of-a-test")
    ended = subprocess.run(
        [sys.executable, "-m", "faceguard.edge.cli", "status", "--name", "front-of-a-test"],
        env={**os.environ, "RUNTIME_DIRECTORY": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0
    assert ended.stdout.startswith("front-of-a-test: running for")


def test_watching_goes_on_until_it_is_stopped(write, tmp_path):
    write()
    words = ["status", "--folder", str(tmp_path), "--watch", "--json"]
    with subprocess.Popen(
        [sys.executable, "-m", "faceguard.edge.cli", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:
        for _ in range(2):
            assert json.loads(child.stdout.readline())["front"]["well"] is True
        write(paused=True)
        while json.loads(child.stdout.readline())["front"]["well"]:
            pass
        child.terminate()
        child.stdout.read()
        assert b"Traceback" not in child.stderr.read()
        assert child.wait(20) == 143


def test_control_characters_do_not_reach_the_terminal(write, status):
    write(budget="\x1b[2J\nfront: all is well")
    said = status()[1]
    assert "\x1b" not in said
    assert not any(line.startswith("front: all") for line in said.splitlines())
