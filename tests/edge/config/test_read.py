"""Reading a configuration: what is right comes back as it was, what is wrong is told, all of it."""

from __future__ import annotations

import itertools
import os
import random
import re
import socket
import string
import tempfile
import traceback
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from faceguard.edge.config.model import Config
from faceguard.edge.config.read import read_config
from faceguard.engines import yaml_tree
from faceguard.engines.errors import UsageError
from faceguard.engines.wanted import read_wanted
from tests.conftest import ROOT
from tests.edge.config.configs import as_yaml, configs

SHIPPED = [ROOT / "configs" / name for name in ("orin-nano.yaml", "desktop.yaml")]
PLAIN = "camera: {kind: synthetic}\n"
LINE = re.compile(r"[^\n]*?camera\.yaml(:[0-9]+)?: [^\n]+")


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "camera.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def refused(path: Path) -> list[str]:
    with pytest.raises(UsageError) as caught:
        read_config(path)
    assert caught.value.exit_code == 2
    lines = str(caught.value).splitlines()
    assert all(LINE.fullmatch(line) for line in lines), lines
    return [line.removeprefix(f"{path}:").strip() for line in lines]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for many examples."""
    return tmp_path_factory.mktemp("config")


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(config=configs)
def test_any_configuration_reads_back_as_it_was(place: Path, config: Config) -> None:
    assert read_config(write(place, as_yaml(config))) == config


def test_the_least_is_a_camera(tmp_path: Path) -> None:
    config = read_config(write(tmp_path, PLAIN))
    assert (config.name, config.outputs.rtsp, config.detector.every) == ("camera", None, 2)


def test_every_fault_is_told_with_its_line_and_key(tmp_path: Path) -> None:
    text = """\
name: 12
camera:
  kind: rtsp
  url: http://user:hunter2@host/
superivsion: {}
detector:
  every: yes
  engine: 5
  scor: .5
  blind_limit_s: .inf
  threads: 2
  threads: 3
tracking:
redaction:
  style: blurr
outputs:
  rtsp: {host: example.com, user: me}
  snapshots: {on: [appears, gone], folder: ''}
  mjpeg: {port: 99999, user: "a:b", password: hunter2}
engines:
  - {model: yunet, shape: zz}
"""
    assert refused(write(tmp_path, text)) == [
        "1: name: must be text; put it in quotes",
        "4: camera.url: write it like rtsp://192.0.2.7:554/stream",
        "5: superivsion: no such key; did you mean supervision?",
        "7: detector.every: must be a whole number",
        "8: detector.engine: must be a path or 'auto' or 'none'",
        "9: detector.scor: no such key; did you mean score?",
        "10: detector.blind_limit_s: must be a finite number",
        "12: detector.threads: stands there twice; keep one",
        "15: redaction.style: must be 'pixelate', 'blur', 'solid', 'pixelate-noise' or 'blur-noise'",  # noqa: E501 - one line
        "17: outputs.rtsp.host: must be an address: 127.0.0.1, 0.0.0.0, ::1",
        "18: outputs.snapshots.folder: must be a path",
        "18: outputs.snapshots.on.1: must be 'appears' or 'leaves'",
        "19: outputs.mjpeg.port: must be less than or equal to 65535",
        "19: outputs.mjpeg.user: must be a name without a colon",
        "21: engines.0.shape: 'zz' is none; write it like 1x3x384x640",
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("camera: {kind: rtps}", "1: camera.kind: must be one of .*; did you mean rtsp"),
        ("camera: {}", "1: camera.kind: must be one of v4l2, csi, rtsp, file, synthetic"),
        ("camera:", "1: camera: must hold keys"),
        ("name: x", "1: camera: is missing"),
        ("camera: {kind: rtsp}", "1: camera.url: is missing"),
        ("camera: {kind: rtsp, rtsp: 1, url: 'rtsp://a'}", "1: camera.rtsp: no such key"),
        ("camera: {kind: file, file: {path: x}}", "1: camera.path: is missing"),
        ("camera: {kind: csi, width: 640, height: null}", "1: camera: give width and height"),
        ("camera: {kind: rtsp, url: 'rtsp://a', password: x}", "1: camera: give user with"),
        ("camera: {kind: rtsp, url: 'rtsp://b:c@a', user: x}", "1: camera: give user and pass"),
        (f"{PLAIN}outputs: {{rtsp: {{user: a}}}}", "2: outputs.rtsp: give user and password"),
        (f"{PLAIN}outputs: {{rtsp: {{port: 9108}}}}", "1: config: outputs.rtsp.port and metrics"),
        (f"{PLAIN}outputs: {{recordings: {{folder: ~nobody.here/x}}}}", "2: .* home .* not there"),
        (f'{PLAIN}outputs: {{recordings: {{folder: "a\\0b"}}}}', "2: .*folder: names no file"),
        ('camera: {kind: synthetic}\n"rtsp://u:hunter2@h": 1\n', "2: .no plain key.: no such key"),
        ("", "1: config: must hold keys"),
        ("# nothing\n", "1: config: must hold keys"),
        ("- camera\n", "1: config: must hold keys"),
        ("camera\n", "1: config: must hold keys"),
        ("camera: {kind: synthetic}\n---\ncamera: {kind: synthetic}\n", "not YAML: "),
        ("camera: [", "1: not YAML: "),
        ("camera:\n\tkind: file\n", "2: not YAML: "),
        ("? [a, b]\n: 1\n", "1: not YAML of keys in plain text"),
        (b"\xff\xfe\x00c", "cannot be read: byte 0 is no UTF-8"),
        ("camera: \0", "not YAML: it holds characters"),
        (f"camera: {'[' * 100_000}", "nested too deep"),
        ("- " * 100_000, "nested too deep"),
        ("{a: " * 100_000, "nested too deep"),
        ("a: &a [*a]\n", "1: a.0: an alias .* leads into itself"),
        (" " * 1_000_001, "larger than 1000000 bytes"),
    ],
    ids=lambda value: repr(value[:30]),
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str | bytes, says: str) -> None:
    lines = refused(write(tmp_path, text))
    assert any(re.search(says, line) for line in lines), lines


@pytest.mark.parametrize("form", ["&{} [{}]", "&{} {{<<: [{}]}}"], ids=["lists", "merges"])
def test_aliases_that_unfold_to_gigabytes_are_refused(tmp_path: Path, form: str) -> None:
    letters = string.ascii_lowercase[:12]
    text = "a: &a {x: 1}\n"
    for before, after in itertools.pairwise(letters):
        text += f"{after}: {form.format(after, ', '.join([f'*{before}'] * 9))}\n"
    lines = refused(write(tmp_path, text))
    assert "unfold to more than a configuration holds" in lines[0]


def test_aliases_are_fine_in_moderation(tmp_path: Path) -> None:
    text = PLAIN + (
        "outputs:\n  rtsp: &door {user: a, password: b}\n  mjpeg: {<<: *door, quality: 50}\n"
    )
    mjpeg = read_config(write(tmp_path, text)).outputs.mjpeg
    assert mjpeg is not None
    assert (mjpeg.user, mjpeg.quality) == ("a", 50)


@pytest.mark.parametrize(
    "secret",
    [
        "*hunter2",
        "!hunter2",
        "@hunter2",
        "!!int hunter2",
        "!!bool hunter2",
        "2026-13-77 # hunter2",
        "'hunter2",
        "[hunter2",
        "[hunter2, hunter2]",
        "{hunter2: 3}",
        "hunter2: hunter2",
    ],
)
@pytest.mark.parametrize("key", ["url", "user", "password"])
def test_a_secret_that_was_typed_wrong_is_not_shown(tmp_path: Path, key: str, secret: str) -> None:
    good = {"kind": "rtsp", "url": "rtsp://h/", "user": "me", "password": "x"}
    lines = [f"  {name}: {secret if name == key else value}" for name, value in good.items()]
    path = write(tmp_path, "camera:\n" + "\n".join(lines) + "\n")
    with pytest.raises(UsageError) as caught:
        read_config(path)
    # A log of it would hold the traceback, too.
    whole = "".join(traceback.format_exception(caught.value))
    assert "hunter2" not in whole


def test_secrets_are_in_no_repr(tmp_path: Path) -> None:
    text = "camera: {kind: rtsp, url: 'rtsp://host.of.mine/', user: hunter1, password: hunter2}\n"
    config = read_config(write(tmp_path, text))
    for secret in ("hunter1", "hunter2", "host.of.mine"):
        assert secret not in repr(config)
        assert secret not in str(config)


def test_no_folder_pipe_or_socket_is_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe" / "camera.yaml"
    pipe.parent.mkdir()
    os.mkfifo(pipe)
    assert "is no plain file" in refused(pipe)[0]
    folder = tmp_path / "folder" / "camera.yaml"
    folder.mkdir(parents=True)
    assert "is no plain file" in refused(folder)[0]
    assert "No such file" in refused(tmp_path / "absent" / "camera.yaml")[0]
    with tempfile.TemporaryDirectory() as short, socket.socket(socket.AF_UNIX) as door:
        door.bind(f"{short}/camera.yaml")
        assert "cannot be read" in refused(Path(short) / "camera.yaml")[0]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_of_somebody_else(tmp_path: Path) -> None:
    path = write(tmp_path, PLAIN)
    path.chmod(0)
    assert "Permission denied" in refused(path)[0]


def test_paths_are_seen_from_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = """\
camera: {kind: file, path: clips/a.mp4}
detector: {engine: engine.onnx}
outputs:
  recordings: {folder: /var/rec}
  snapshots: {folder: ~/snaps}
  events: {path: "-"}
  status: {folder: .}
  rtsp: {user: a, password_file: secret}
engines: [{model: yunet, precision: int8, calibration: pictures}]
"""
    write(tmp_path, text)
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)
    config = read_config(Path("camera.yaml"))
    out = config.outputs
    assert config.camera.path == tmp_path / "clips/a.mp4"  # type: ignore[union-attr]
    assert config.detector.engine == tmp_path / "engine.onnx"
    assert out.recordings is not None
    assert out.recordings.folder == Path("/var/rec")
    assert out.snapshots is not None
    assert out.snapshots.folder == home / "snaps"
    assert out.events is not None
    assert out.events.path == Path("-")
    assert out.status.folder == tmp_path
    assert out.rtsp is not None
    assert out.rtsp.password_file == tmp_path / "secret"
    assert config.engines[0].calibration == tmp_path / "pictures"


@pytest.mark.parametrize("key", ["supervision", "detector", "tracking", "outputs", "log"])
def test_a_section_whose_keys_are_all_left_out_is_the_default(tmp_path: Path, key: str) -> None:
    assert read_config(write(tmp_path, f"{PLAIN}{key}:\n")) == read_config(write(tmp_path, PLAIN))


def test_a_key_that_yaml_takes_for_true(tmp_path: Path) -> None:
    text = f"{PLAIN}outputs: {{snapshots: {{folder: /a, on: [leaves]}}}}\n"
    snapshots = read_config(write(tmp_path, text)).outputs.snapshots
    assert snapshots is not None
    assert snapshots.on == ("leaves",)


def mutilated(text: str, chance: random.Random) -> str:
    """The text with something cut, doubled, moved or put in."""
    lines = text.splitlines()
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(lines))
        line = lines[at]
        cut = chance.randrange(len(line) + 1)
        lines[at : at + 1] = chance.choice(
            [
                [],
                [line, line],
                [line[:cut]],
                [line[:cut] + chance.choice("\t:{}[]&*!|>'\"%@`#-?,~\0\ud800é") + line[cut:]],
                [" " * chance.randrange(4) + line],
                [line.partition(":")[0] + ": " + chance.choice(WORDS)],
            ]
        )
        lines = lines or [""]
    return "\n".join(lines)


WORDS = ["null", "yes", "-1", "1e400", ".nan", "[]", "{}", "''", "2026-13-40", "9" * 5000, "!!x y",
         "*a", "&a", "<<", "0x", "1:61", "- - -", "!!binary =", "\u2028", "!!set {a}"]  # fmt: skip


@settings(max_examples=150)
@given(seed=st.integers(0, 2**32))
@example(seed=0)
def test_a_mutilated_file_is_a_configuration_or_refused(place: Path, seed: int) -> None:
    chance = random.Random(seed)
    text = mutilated(chance.choice(SHIPPED).read_text(encoding="utf-8"), chance)
    path = write(place, text.encode("utf-8", "surrogatepass"))
    try:
        said = [] if isinstance(read_config(path), Config) else ["no configuration"]
    except UsageError as error:
        said = str(error).splitlines()
    assert all(LINE.fullmatch(line) for line in said), said


@settings(max_examples=100)
@given(text=st.text(alphabet=st.sampled_from("ab:&*[]{}?!-|> \n'\"0.#,<=~%@")))
def test_any_text_at_all_is_refused(place: Path, text: str) -> None:
    refused(write(place, text))


@pytest.mark.parametrize("name", ["SafeLoader", "CSafeLoader"])
def test_either_loader_of_pyyaml_will_do(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(yaml_tree, "_LOADER", getattr(yaml, name, yaml.SafeLoader))
    assert read_config(write(tmp_path, PLAIN)).camera.kind == "synthetic"
    assert "nested too deep" in refused(write(tmp_path, "- " * 100_000))[0]
    assert refused(write(tmp_path, "camera: {kind: file, path: [}"))[0].startswith("1: not YAML")


def test_engines_are_read_from_a_whole_configuration() -> None:
    for path in SHIPPED:
        assert [wanted.model for wanted in read_wanted(path)] == ["yunet"]
