"""What pictures are served with: GStreamer's RTSP server, and a web server."""

from __future__ import annotations

from importlib.util import find_spec

from faceguard.edge.doctor.finding import Finding, State
from faceguard.edge.outputs.rtsp_child import PACKAGES, find_interpreter


def check_serving() -> list[Finding]:
    """Both, for `faceguard doctor`: only `faceguard run` needs them, and only where asked for."""
    return [rtsp_server("RTSP server", State.NOTE), web_server("web server", State.NOTE)]


def rtsp_server(name: str, lacking: State) -> Finding:
    """Whether some Python here can serve RTSP.

    Args:
        name: Of the finding.
        lacking: Its state where none can.
    """
    interpreter = find_interpreter()
    if interpreter is None:
        detail = "no Python here has GStreamer's RTSP server (gi, GstRtspServer)"
        return Finding(name, lacking, detail, PACKAGES)
    return Finding(name, State.OK, f"served by {interpreter}")


def web_server(name: str, lacking: State) -> Finding:
    """Whether MJPEG can be served.

    Args:
        name: Of the finding.
        lacking: Its state where a package is missing.
    """
    missing = [module for module in ("starlette", "uvicorn") if not find_spec(module)]
    if missing:
        detail = f"needs {' and '.join(missing)}"
        return Finding(name, lacking, detail, "pip install 'faceguard-edge[web]'")
    return Finding(name, State.OK, "starlette and uvicorn are installed")
