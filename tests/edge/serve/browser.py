"""A real Chromium without a window, driven over its own pipe (the DevTools protocol).

No driver and no further package: commands go in as JSON, each ended by a zero byte, and answers
and events come out the same way. Everything happens in the caller's thread.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from faceguard.engines.closing import Closing

PATIENCE_S = 60.0
NAMES = (
    "chromium-headless-shell",
    "chrome-headless-shell",
    "chromium",
    "google-chrome",
    "google-chrome-stable",
)
_KEYS = {"Tab": 9, "Enter": 13, " ": 32, "ArrowLeft": 37, "ArrowRight": 39, "Home": 36, "End": 35}
_TEXTS = {"Enter": "\r", " ": " "}


def find() -> str | None:
    """The program, where there is one."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class BrowserError(AssertionError):
    """The browser, or a script in its page, reported an error."""


class Browser(Closing):
    """One browser with one page.

    Attributes:
        complaints: What the page's console said that is an error or a warning, and exceptions.
        requested: The addresses that were asked for.
    """

    def __init__(self, program: str, width_px: int = 1280, height_px: int = 900) -> None:
        self.complaints: list[str] = []
        self.requested: list[str] = []
        self._place = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        # It reads commands from descriptor 3 and answers on 4. It is looked after by no sandbox, as
        # root may not have one and the only page it sees is ours.
        arguments = [
            program,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--no-first-run",
            "--hide-scrollbars",
            "--remote-debugging-pipe",
            f"--user-data-dir={self._place.name}",
        ]
        self._process = subprocess.Popen(
            ["sh", "-c", 'exec "$@" 3<&0 4>&1 0</dev/null 1>&2', "sh", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._pending = b""
        self._number = 0
        self._session: str | None = None
        try:
            target = self.call("Target.createTarget", url="about:blank")["targetId"]
            attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
            self._session = attached["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                self.call(f"{domain}.enable")
            self.resize(width_px, height_px)
        except BaseException:
            self.close()
            raise

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """Asks for something, and gives the answer."""
        self._number += 1
        message: dict[str, object] = {
            "id": self._number,
            "method": method,
            "params": parameters,
        }
        if self._session is not None:
            message["sessionId"] = self._session
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\0")
        self._process.stdin.flush()
        end_s = time.monotonic() + PATIENCE_S
        while True:
            answer = self._next(end_s)
            if answer is None:
                raise BrowserError(f"{method}: no answer within {PATIENCE_S} s")
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise BrowserError(f"{method}: {answer['error']['message']}")
                return answer["result"]

    def open(self, address: str) -> None:
        """Goes to a page, and waits until it is loaded."""
        self.call("Page.navigate", url=address)
        self.until(f"location.href === {json.dumps(address)} && document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """The value of a script, which may be a promise."""
        answer = self.call(
            "Runtime.evaluate",
            expression=script,
            returnByValue=True,
            awaitPromise=True,
            userGesture=True,
        )
        if "exceptionDetails" in answer:
            raise BrowserError(f"{script}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def until(self, script: str, *, within_s: float = PATIENCE_S) -> None:
        """Waits until a script's value is true."""
        end_s = time.monotonic() + within_s
        while True:
            with suppress(BrowserError):  # its page may be on its way out
                if self.run(f"!!({script})"):
                    return
            if time.monotonic() > end_s:
                raise BrowserError(f"not within {within_s} s: {script}; {self.complaints}")
            self._next(time.monotonic() + 0.02)

    def settle(self) -> None:
        """Waits until what the page is now is also what a finger would meet."""
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def resize(self, width_px: int, height_px: int, scale: float = 1) -> None:
        """Gives the window a size, and its screen so many dots a pixel."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width_px,
            height=height_px,
            deviceScaleFactor=scale,
            mobile=False,
        )

    def prefer(self, preferences: Mapping[str, str]) -> None:
        """Sets what people set in their system, such as `prefers-color-scheme`."""
        features = [{"name": name, "value": value} for name, value in preferences.items()]
        self.call("Emulation.setEmulatedMedia", features=features)

    def give_file(self, selector: str, path: Path) -> None:
        """Chooses a file in a file field."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    def drop_file(self, x_px: float, y_px: float, path: Path) -> None:
        """Drags a file into the window, and lets it go there."""
        data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.call("Input.dispatchDragEvent", type=kind, x=x_px, y=y_px, data=data)

    def click(self, selector: str) -> None:
        """Clicks into the middle of an element, as a mouse does."""
        x, y = self.middle(selector)
        self.mouse("mousePressed", x, y)
        self.mouse("mouseReleased", x, y)

    def middle(self, selector: str) -> tuple[float, float]:
        """Where the middle of an element is in the window, once it is scrolled to."""
        box = self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'nearest', behavior: 'instant'});"
            "const b = e.getBoundingClientRect();"
            "return [b.left + b.width / 2, b.top + b.height / 2]; })()"
        )
        return box[0], box[1]

    def mouse(self, kind: str, x_px: float, y_px: float) -> None:
        """One event of a mouse whose first button is, was or gets pressed."""
        self.call(
            "Input.dispatchMouseEvent",
            type=kind,
            x=x_px,
            y=y_px,
            button="left",
            buttons=0 if kind == "mouseReleased" else 1,
            clickCount=1,
        )

    def touch(self, *points: tuple[float, float]) -> None:
        """Puts a finger on the first point, moves it over the others, and lifts it."""
        for number, (x, y) in enumerate(points):
            kind = "touchMove" if number else "touchStart"
            self.call("Input.dispatchTouchEvent", type=kind, touchPoints=[{"x": x, "y": y}])
        self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def press(self, key: str, times: int = 1) -> None:
        """Presses a key."""
        number = _KEYS[key]
        facts = {"key": key, "code": "Space" if key == " " else key}
        facts["windowsVirtualKeyCode"] = number
        for _ in range(times):
            text = _TEXTS.get(key)
            down = {"type": "keyDown", "text": text} if text else {"type": "rawKeyDown"}
            self.call("Input.dispatchKeyEvent", **down, **facts)
            self.call("Input.dispatchKeyEvent", type="keyUp", **facts)

    def screenshot(self, path: Path) -> Path:
        """Writes what the window shows, as PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))
        return path

    def downloads_to(self, folder: Path) -> None:
        """Lets downloads happen."""
        self._session, session = None, self._session
        try:
            self.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
        finally:
            self._session = session

    def close(self) -> None:
        """Ends it with all its processes."""
        process = self._process
        # What it starts is in a group of its own with it.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        self._place.cleanup()

    def _next(self, end_s: float) -> dict[str, Any] | None:
        """The next message, or None where none comes in time."""
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        while b"\0" not in self._pending:
            left_s = max(0.0, end_s - time.monotonic())
            if not select.select([pipe], [], [], left_s)[0]:
                return None
            read = os.read(pipe, 1 << 20)
            if not read:
                raise BrowserError(f"the browser ended: {self._process.poll()}")
            self._pending += read
        line, _, self._pending = self._pending.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        self._note(message)
        return message

    def _note(self, message: dict[str, Any]) -> None:
        told = message.get("params", {})
        match message.get("method"):
            case "Runtime.exceptionThrown":
                self.complaints.append(str(told["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if told["type"] in ("error", "warning", "assert"):
                self.complaints.append(str([part.get("value") for part in told["args"]]))
            case "Log.entryAdded" if told["entry"]["level"] in ("error", "warning"):
                entry = told["entry"]
                self.complaints.append(f"{entry['source']}: {entry['text']}")
            case "Network.requestWillBeSent":
                self.requested.append(told["request"]["url"])
