"""`faceguard serve` as people run it: a process, with real models."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest

from faceguard.edge import Redactor
from faceguard.engines.closing import Closing
from faceguard.engines.errors import ModelMissing
from faceguard.engines.store import find_graph
from tests.edge.serve.served import PLAIN, as_file, noise, pixels_of

PATIENCE_S = 120.0
TOKEN = "0123456789abcdef-not-to-be-seen"  # noqa: S105 - opens nothing
COMMAND = [sys.executable, "-m", "faceguard.edge.cli", "serve", "--port", "0"]


def run(*words, **environment):
    return subprocess.run(
        [*COMMAND, *words],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        env={**os.environ, **environment},
    )


class Process(Closing):
    """The program, what it says, and what it tells a service manager."""

    def __init__(self, place: Path, *words: str) -> None:
        address = str(place / "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.settimeout(0.2)
        self._told: list[str] = []
        self.errors = place / "errors"
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                [*COMMAND, *words],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**os.environ, "NOTIFY_SOCKET": address, "FACEGUARD_SERVE_TOKEN": TOKEN},
            )
        for begin in ("getting ready at", "serving on"):
            line = self.process.stdout.readline()
            assert line.startswith(f"faceguard: {begin} http://127.0.0.1:"), self.errors.read_text()
        headers = {"Authorization": f"Bearer {TOKEN}"}
        self.client = httpx.Client(base_url=line.split()[-1], headers=headers, **PLAIN)
        self.until_told("READY=1")

    def until_told(self, word: str) -> None:
        end_s = time.monotonic() + PATIENCE_S
        while not any(word in told for told in self._told):
            assert time.monotonic() < end_s, (word, self._told, self.errors.read_text())
            assert self.process.poll() is None, self.errors.read_text()
            try:
                self._told.append(self._socket.recv(4096).decode())
            except TimeoutError:
                continue

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def close(self) -> None:
        self.client.close()
        self._socket.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def model():
    """A small network where one is here; measuring several would only take time."""
    try:
        find_graph("espcn-x2")
    except ModelMissing:
        return []
    return ["--model", "espcn-x2"]


@pytest.mark.models
def test_a_face_is_covered_and_sigterm_ends_it_in_order(tmp_path, sample_path):
    face = sample_path("astronaut")
    with Process(tmp_path, *model()) as service:
        answer = service.client.post("/v1/redact", content=face.read_bytes())
        assert answer.status_code == 200
        assert answer.headers["faceguard-faces"] == "1"
        with Redactor() as redactor:
            wanted = redactor.array(np.asarray(cv2.imread(str(face)), np.uint8))
        assert np.array_equal(pixels_of(answer.content), wanted)
        figures = service.client.get("/metrics").text
        assert "faceguard_serve_faces_total 1.0" in figures
        assert "faceguard_process_resident_memory_bytes" in figures
        assert "faceguard_memory_free_bytes" in figures
        # Under load: whoever gets an answer gets a whole one.
        seen = set()

        def load(seed):
            sent = as_file(noise(seed=seed))
            while True:
                try:
                    one = service.client.post("/v1/redact", content=sent)
                except httpx.TransportError:
                    return
                seen.add(one.status_code)
                if one.status_code == 200:
                    assert pixels_of(one.content).shape == noise().shape

        with ThreadPoolExecutor(8) as pool:
            loads = [pool.submit(load, seed) for seed in range(8)]
            end_s = time.monotonic() + PATIENCE_S
            while 200 not in seen and time.monotonic() < end_s:
                time.sleep(0.01)
            assert service.end() == 0
            for one in loads:
                one.result(PATIENCE_S)
        assert 200 in seen
        assert seen <= {200, 429, 503}
        said = service.errors.read_text()
        assert "POST /v1/redact 200" in said
        assert said.rstrip().endswith("stopped")
        for bad in ("Traceback", TOKEN, "127.0.0.1"):
            assert bad not in said


@pytest.mark.models
def test_a_picture_is_enlarged_and_ctrl_c_ends_it(tmp_path, engine_path, sample_path):
    engine_path("espcn-x2")
    pixels = noise(40, 30)
    with Process(tmp_path, "--no-bare", *model()) as service:
        for path, shape in (("/v1/enhance", (60, 80, 3)), ("/v1/redact", (30, 40, 3))):
            answer = service.client.post(path, content=as_file(pixels))
            assert answer.status_code == 200, answer.text
            assert pixels_of(answer.content).shape == shape
        bare = service.client.post("/v1/enhance?redact=false", content=as_file(pixels))
        assert bare.status_code == 403
        assert "espcn-x2" in service.client.get("/").text
        assert service.client.get("/openapi.json").json()["paths"]["/v1/enhance"]
        service.process.send_signal(signal.SIGHUP)  # nothing to be read anew
        assert service.client.get("/healthz").json()["status"] == "ready"
        assert service.end(signal.SIGINT) == 0


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (["--host", "0.0.0.0"], 2, "--token-file"),  # noqa: S104 - refused
        (["--model", "espcn-x9"], 2, "espcn-x9"),
    ],
)
def test_what_cannot_be_meant_is_told_in_one_line(words, code, line):
    done = run(*words)
    assert done.returncode == code
    assert line in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_port_that_is_taken_ends_it_with_one_line():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run("--port", str(taken.getsockname()[1]))
    assert done.returncode == 5
    lines = [line for line in done.stderr.splitlines() if "port" in line]
    assert len(lines) == 1
    assert "the port is taken" in lines[0]
