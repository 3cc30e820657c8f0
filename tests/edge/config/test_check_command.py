"""`faceguard check`, on real models, cameras, sockets and disks."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from faceguard.edge.commands import check
from faceguard.edge.commands import config as config_command
from faceguard.edge.outputs import rtsp_child
from faceguard.edge.outputs.status import StatusFile
from faceguard.engines.manifest import BuiltFor, EngineManifest
from tests.ports import free_port

Rows = dict[str, dict[str, str | None]]


class Checked:
    """A folder with a configuration that `faceguard check` looks at."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def config(self, **parts: object) -> Path:
        whole: dict[str, object] = {
            "camera": {"kind": "synthetic"},
            "outputs": {
                "recordings": {"folder": str(self.folder / "rec"), "free_mb": 1},
                "status": {"folder": str(self.folder / "run")},
            },
            "metrics": None,
            # Neither how hot this machine is nor whether it can tell is looked at here.
            "thermal": {"limit_c": 95, "trip_margin_c": 0, "without_sensors": "unlimited"},
            **parts,
        }
        path = self.folder / "camera.yaml"
        path.write_text(yaml.safe_dump(whole))
        path.chmod(0o600)
        return path

    def say(self, path: Path, *options: str) -> tuple[int, str]:
        parser = argparse.ArgumentParser()
        check.add_arguments(parser)
        code = check.run(parser.parse_args(["--config", str(path), *options]))
        return code, self._capsys.readouterr().out

    def rows(self, code: int, *options: str, **parts: object) -> Rows:
        """The findings by name; of several, the worst."""
        got, out = self.say(self.config(**parts), "--json", *options)
        rows: Rows = {}
        for row in json.loads(out):
            if rows.get(row["name"], {"state": "ok"})["state"] in ("ok", "note"):
                rows[row["name"]] = row
        assert got == code, rows
        return rows

    def outputs(self, code: int, **outputs: object) -> Rows:
        quiet = {"recordings": {"folder": str(self.folder / "rec"), "free_mb": 1}}
        status = {"status": {"folder": str(self.folder / "run")}}
        return self.rows(code, "--no-camera", outputs={**quiet, **status, **outputs})


@pytest.fixture
def checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], engine_path: Callable[[str], Path]
) -> Checked:
    engine_path("yunet")
    return Checked(tmp_path, capsys)


@pytest.mark.models
def test_all_is_well(checked: Checked) -> None:
    rows = checked.rows(0)
    assert {row["state"] for name, row in rows.items() if name != "heat"} == {"ok"}
    # A note, where this machine has no sensor.
    assert rows["heat"]["state"] in ("ok", "note")
    for name in ("configuration", "model", "engine", "detector", "camera", "encoder", "recordings"):
        assert name in rows
    assert "640x360" in str(rows["camera"]["detail"])
    code, out = checked.say(checked.config())
    assert code == 0
    assert out.endswith("All is well: faceguard run will work.\n")
    # It leaves nothing behind.
    assert [path.name for path in checked.folder.iterdir()] == ["camera.yaml"]


@pytest.mark.models
def test_the_camera_is_left_alone(checked: Checked) -> None:
    assert "camera" not in checked.rows(0, "--no-camera", camera={"kind": "file", "path": "none"})


@pytest.mark.models
def test_each_fault_of_the_configuration_is_told(checked: Checked) -> None:
    path = checked.config(name="a b", redaction={"style": "blurr"}, log={"level": "loud"})
    code, out = checked.say(path)
    assert code == 2
    assert [line.split(": ")[1] for line in out.splitlines() if line.startswith("fault")] == [
        "log.level",
        "name",
        "redaction.style",
    ]
    assert "mend: correct the file" in out
    code, out = checked.say(path, "--json")
    assert (code, len(json.loads(out))) == (2, 3)
    code, out = checked.say(checked.folder / "absent.yaml")
    assert code == 2
    assert "No such file" in out


@pytest.mark.models
def test_a_model_that_is_not_here_or_not_known(
    checked: Checked, monkeypatch: pytest.MonkeyPatch, engine_path: Callable[[str], Path]
) -> None:
    row = checked.rows(2, "--no-camera", detector={"model": "yunt"})["model"]
    assert "did you mean yunet" in str(row["detail"])
    graph = engine_path("yunet")
    store = checked.folder / "data" / "faceguard" / "models"
    store.mkdir(parents=True)
    monkeypatch.setenv("XDG_DATA_HOME", str(checked.folder / "data"))
    monkeypatch.delenv("FACEGUARD_MODELS", raising=False)
    monkeypatch.setattr("faceguard.engines.store.SYSTEM_STORE", store)
    rows = checked.rows(2, "--no-camera")
    assert rows["model"]["mend"] == "faceguard models pull yunet"
    assert rows["model"]["state"] == "fault"
    assert "detector" not in rows
    for suffix in (".onnx", ".json"):
        shutil.copyfile(graph.with_suffix(suffix), store / f"yunet{suffix}")
    checked.rows(0, "--no-camera")
    (store / "yunet.onnx").write_bytes(b"damaged")
    row = checked.rows(2, "--no-camera")["model"]
    assert "sha256" in str(row["detail"])
    assert row["mend"] == "faceguard models pull yunet"


def put_engine(folder: Path, graph: Path, **changes: object) -> Path:
    """An engine as the converter would leave it."""
    engine = folder / "engine.onnx"
    shutil.copyfile(graph, engine)
    fields: dict[str, object] = {
        "name": "yunet",
        "catalogue": "yunet",
        "key": "k",
        "backend": "onnx",
        "precision": "fp32",
        "file": engine.name,
        "bytes": engine.stat().st_size,
        "sha256": hashlib.sha256(engine.read_bytes()).hexdigest(),
        "source": {},
        "graph_sha256": "0" * 64,
        "inputs": (),
        "outputs": (),
        "built_for": BuiltFor(),
        "made": "2026-01-01T00:00:00+00:00",
        **changes,
    }
    manifest = EngineManifest.model_validate(fields)
    (folder / "manifest.json").write_text(manifest.model_dump_json())
    return engine


@pytest.mark.models
def test_the_engine_that_is_named(
    checked: Checked, engine_path: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    build = f"faceguard engines build --config {checked.folder / 'camera.yaml'}"
    row = checked.rows(2, "--no-camera", detector={"engine": "none.engine"})["engine"]
    assert "detector.engine" in str(row["detail"])
    engine = put_engine(checked.folder, engine_path("yunet"))
    monkeypatch.setenv("XDG_DATA_HOME", str(checked.folder / "nothing"))
    monkeypatch.delenv("FACEGUARD_MODELS", raising=False)
    monkeypatch.setattr("faceguard.engines.store.SYSTEM_STORE", checked.folder / "nothing")
    rows = checked.rows(0, "--no-camera", detector={"engine": engine.name})
    assert "not needed" in str(rows["model"]["detail"])
    row = checked.rows(2, "--no-camera", detector={"engine": engine.name, "model": "centerface"})[
        "engine"
    ]
    assert "built from yunet, not from" in str(row["detail"])
    other = BuiltFor(version="10.3.0", gpu="Orin", compute_capability="8.7")
    (checked.folder / "other").mkdir()
    stranger = put_engine(
        checked.folder / "other", engine, backend="tensorrt", built_for=other, precision="fp16"
    )
    row = checked.rows(2, "--no-camera", detector={"engine": str(stranger)})["engine"]
    assert (row["state"], row["mend"]) == ("fault", build)


@pytest.mark.models
def test_a_detector_that_is_too_slow(checked: Checked, engine_path: Callable[[str], Path]) -> None:
    engine_path("centerface")
    slow = {"model": "centerface", "long_side_px": 1280, "timeout_ms": 10}
    row = checked.rows(1, "--no-camera", detector=slow)["detector"]
    assert "every frame gets covered whole" in str(row["detail"])


@pytest.mark.models
def test_a_camera_that_is_not_there(checked: Checked) -> None:
    row = checked.rows(1, camera={"kind": "file", "path": "none.mp4"})["camera"]
    assert (row["state"], row["mend"]) == ("warning", "correct camera.path")


@pytest.mark.models
def test_no_secret_and_no_address_is_shown(checked: Checked) -> None:
    (checked.folder / "password").write_text("from-a-file\n")
    address = f"rtsp://127.0.0.1:{free_port()}/stream-of-mine?token=hunter3"
    login = {"user": "usher", "password": "hunter2"}
    path = checked.config(
        camera={"kind": "rtsp", "url": address, **login},
        supervision={"open_within_s": 1},
        outputs={
            "rtsp": {"port": 0, "user": "viewer", "password_file": "password"},
            "status": {"folder": str(checked.folder / "run")},
        },
    )
    path.chmod(0o644)
    (checked.folder / "password").chmod(0o644)
    code, out = checked.say(path)
    assert code == 1
    assert "warning  camera " in out
    for secret in ("usher", "hunter", "viewer", "from-a-file", "stream-of-mine"):
        assert secret not in out
    # Both files can be read by everyone, and both are told.
    assert out.count("mend: chmod 600 ") == 2


@pytest.mark.models
def test_a_password_that_cannot_be_read(checked: Checked) -> None:
    rtsp = {"port": 0, "user": "me", "password_file": "absent"}
    row = checked.outputs(2, rtsp=rtsp)["rtsp password"]
    assert (row["state"], "No such file" in str(row["detail"])) == ("fault", True)


@pytest.mark.models
def test_a_port_that_is_taken(checked: Checked) -> None:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen()
        port = door.getsockname()[1]
        row = checked.outputs(1, mjpeg={"port": port})["mjpeg port"]
        assert "another program has it" in str(row["detail"])
        row = checked.outputs(1, mjpeg={"port": port, "host": "192.0.2.1"})["mjpeg port"]
        assert row["mend"] == "correct outputs.mjpeg.host"
    assert checked.outputs(0, mjpeg={"port": port})["mjpeg port"]["state"] == "ok"


@pytest.mark.models
def test_what_the_one_that_runs_has_is_in_use_and_no_trouble(checked: Checked) -> None:
    with socket.socket() as door, socket.socket() as stream:
        for listener in (door, stream):
            listener.bind(("127.0.0.1", 0))
            listener.listen()
        address = f"rtsp://127.0.0.1:{stream.getsockname()[1]}/"
        parts = {
            "camera": {"kind": "rtsp", "url": address},
            "outputs": {
                "mjpeg": {"port": door.getsockname()[1]},
                "status": {"folder": str(checked.folder)},
            },
        }
        status = StatusFile(checked.folder, "camera")
        status.write({"pid": os.getpid()})
        rows = checked.rows(0, **parts)
        for name in ("camera", "mjpeg port"):
            assert rows[name]["state"] == "note"
            assert f"process id {os.getpid()}" in str(rows[name]["detail"])
        assert rows["camera"]["mend"] == "faceguard status camera"
        # Nobody so much as connected to the camera.
        stream.settimeout(0.2)
        with pytest.raises(TimeoutError):
            stream.accept()
        status.close()
        assert checked.rows(1, "--no-camera", **parts)["mjpeg port"]["state"] == "warning"


@pytest.mark.models
def test_open_to_everyone_without_a_password(checked: Checked) -> None:
    everyone = ".".join("0000")
    row = checked.outputs(1, mjpeg={"port": 0, "host": everyone})["mjpeg port"]
    assert "whoever reaches this machine" in str(row["detail"])
    (checked.folder / "password").write_text("secret")
    (checked.folder / "password").chmod(0o600)
    guarded = {"port": 0, "host": everyone, "user": "me", "password_file": "password"}
    assert checked.outputs(0, mjpeg=guarded)["mjpeg port"]["state"] == "ok"
    rows = checked.rows(1, "--no-camera", metrics={"port": 0, "host": everyone})
    assert "metrics.host: 127.0.0.1" in str(rows["metrics port"]["mend"])


@pytest.mark.models
def test_places_that_cannot_be_written(checked: Checked) -> None:
    (checked.folder / "file").write_text("")
    for folder in ("file", "file/below"):
        row = checked.outputs(1, snapshots={"folder": str(checked.folder / folder)})["snapshots"]
        assert "is no folder" in str(row["detail"])
        assert str(row["mend"]).startswith("sudo install -d")
    row = checked.outputs(1, events={"path": str(checked.folder)})["events"]
    assert row["mend"] == "name a file in it"
    row = checked.outputs(2, status={"folder": str(checked.folder / "file")})["status"]
    assert (row["state"], row["mend"]) == ("fault", "set outputs.status.folder")


@pytest.mark.models
def test_a_disk_that_is_too_small_or_full(checked: Checked, small_disk: Path) -> None:
    recordings = {"folder": str(small_disk), "free_mb": 1}
    row = checked.outputs(1, recordings=recordings)["recordings"]
    assert "1 MB shall stay so" in str(row["detail"])
    with pytest.raises(OSError, match="No space"):
        (small_disk / "all").write_bytes(bytes(1_000_000))
    row = checked.outputs(1, recordings={**recordings, "free_mb": 0})["recordings"]
    assert "No space left" in str(row["detail"])


@pytest.mark.models
def test_nothing_goes_anywhere(checked: Checked) -> None:
    status = {"status": {"folder": str(checked.folder / "run")}}
    row = checked.rows(1, "--no-camera", outputs=status)["outputs"]
    assert row["state"] == "warning"


@pytest.mark.models
def test_packages_that_are_missing(checked: Checked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "starlette", None)
    row = checked.outputs(1, mjpeg={"port": 0})["mjpeg"]
    assert row["mend"] == "pip install 'faceguard-edge[web]'"
    monkeypatch.setattr(rtsp_child, "_found", None)
    monkeypatch.setattr(rtsp_child, "_SYSTEM_PYTHON", "/bin/false")
    monkeypatch.setattr(rtsp_child, "sys", SimpleNamespace(executable="/bin/false"))
    rows = checked.outputs(1, rtsp={"port": 0})
    assert "GstRtspServer" in str(rows["rtsp"]["detail"])


def run_config(*words: str) -> int:
    parser = argparse.ArgumentParser()
    config_command.add_arguments(parser)
    return config_command.run(parser.parse_args(words))


def test_the_commands_of_config(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_config("schema") == 0
    assert "properties" in json.loads(capsys.readouterr().out)
    path = tmp_path / "camera.yaml"
    path.write_text("camera: {kind: rtsp, url: 'rtsp://mine/', user: me, password: hunter2}\n")
    assert run_config("show", "--config", str(path)) == 0
    shown = capsys.readouterr().out
    assert set(yaml.safe_load(shown)["camera"].values()) == {"rtsp", "***", None, "tcp"}
    assert "hunter2" not in shown
    assert "mine" not in shown
