"""Enlarging: the model is there, the size can be encoded, and what a picture costs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from faceguard.edge.check.detector import knows_size, size_of
from faceguard.edge.check.seen import told
from faceguard.edge.config.model import Config
from faceguard.edge.config.upscale import SnapshotsUpscale, StreamUpscale
from faceguard.edge.doctor.finding import Finding, State
from faceguard.engines.errors import FaceguardError

if TYPE_CHECKING:
    from faceguard.edge.live.upscaling import OpenModel
    from faceguard.edge.live.zoom import View, Zoom

# Memory is measured where that was not done yet, which takes a while.
_OPEN_WITHIN_S = 120.0
# Most players and their chips end with level 5.2 of H.264: 36864 macroblocks, as in 4096x2304.
_MOST_BLOCKS = 36_864
_BLOCK_PX = 16
# A small part tells whether a larger one can be waited for, which tells more.
_FIRST_PX, _LARGER_PX, _QUICK_S = (64, 36), (320, 180), 0.1
_USUAL_RATE = 30.0
_SAVE = "name a smaller region or a quicker model; see: faceguard bench upscale"


def check_upscale(config: Config) -> list[Finding]:
    """Every use that is asked for; nothing where none is."""
    found = []
    for key, use in (("stream", config.upscale.stream), ("snapshots", config.upscale.snapshots)):
        if use is not None:
            found += list(_use(config, key, use))
    return found


def _use(config: Config, key: str, use: StreamUpscale | SnapshotsUpscale) -> Iterator[Finding]:
    # Here and not above: these want packages that may be what is missing.
    from faceguard.edge.live.upscaling import enlarging_of
    from faceguard.edge.live.zoom import Zoom

    name = f"upscale {key}"
    try:
        scale = enlarging_of(use, f"upscale.{key}").scale
    except FaceguardError as error:
        yield told(name, State.FAULT, error, f"correct upscale.{key}.model in the configuration")
        return
    out = config.outputs
    shown = (out.rtsp, out.recordings, out.mjpeg) if key == "stream" else (out.snapshots,)
    if not any(shown):
        what = "outputs for video are" if key == "stream" else "outputs.snapshots is"
        yield Finding(name, State.WARNING, f"is of no use: {what} off", f"leave upscale.{key} out")
    width, height = size_of(config)
    zoom = Zoom(scale, use.region, int(config.upscale.most_mpx * 1e6))
    view = zoom.view(width, height)
    yield _size(name, config, view, zoom)
    if view.scale > 1:
        yield _cost(name, config, use, view)


def _size(name: str, config: Config, view: View, zoom: Zoom) -> Finding:
    """What comes out, and whether others can take it."""
    from faceguard.edge.live.zoom import LEAST_PX

    area = view.area
    wide, tall = area.width * zoom.scale, area.height * zoom.scale
    unless = "" if knows_size(config) else ", if the camera gives 1280x720"
    detail = f"{area.width}x{area.height} becomes {wide}x{tall}{unless}"
    if view.scale == 1:
        detail += f", over upscale.most_mpx ({zoom.most_pixels / 1e6:g}): it is not enlarged"
        return Finding(name, State.WARNING, detail, "name a smaller region or scale")
    if zoom.region is not None and LEAST_PX in (area.width, area.height):
        detail = f"the region is as small as it may be: {detail}"
        return Finding(
            name, State.WARNING, detail, f"name a larger {name.replace(' ', '.')}.region"
        )
    blocks = -(-wide // _BLOCK_PX) * -(-tall // _BLOCK_PX)
    if name.endswith("stream") and blocks > _MOST_BLOCKS:
        detail += ", more than most players of H.264 take (4096x2304)"
        return Finding(name, State.WARNING, detail, "name a smaller region or scale")
    return Finding(name, State.OK, detail)


def _cost(name: str, config: Config, use: StreamUpscale | SnapshotsUpscale, view: View) -> Finding:
    """Opens the model and looks how long a small picture takes."""
    from faceguard.edge.cameras.timely import within
    from faceguard.edge.live.upscaling import open_model

    def measured() -> float:
        with open_model(use) as model:
            return _takes_s(model, view)

    plainly = "pictures are enlarged plainly"
    try:
        takes_s = within(_OPEN_WITHIN_S, "check upscaling", measured)
    except FaceguardError as error:
        found = told(name, State.WARNING, error, f"faceguard models pull {use.model}")
        return Finding(name, State.WARNING, f"{found.detail}; {plainly}", found.mend)
    except TimeoutError:
        detail = f"{use.model} gave no answer in {_OPEN_WITHIN_S:g} s; {plainly}"
        return Finding(name, State.WARNING, detail, _SAVE)
    detail = f"{use.model} takes about {_shown(takes_s)} a picture"
    if isinstance(use, SnapshotsUpscale):
        limit_s, limit = use.within_s, f"upscale.snapshots.within_s is {use.within_s:g} s"
    else:
        limit_s = 1 / (getattr(config.camera, "rate", None) or _USUAL_RATE)
        limit = f"there are {_shown(limit_s)} from one to the next"
    if takes_s > limit_s:
        return Finding(name, State.WARNING, f"{detail}, and {limit}: most {plainly}", _SAVE)
    return Finding(name, State.OK, detail)


def _takes_s(model: OpenModel, view: View) -> float:
    """How long a whole view would take, judged by a part of it."""
    from faceguard.edge.live.zoom import Zoom
    from faceguard.edge.types import Image, PixelFormat

    area = view.area
    took_s, pixels = 0.0, 1
    for wide, tall in (_FIRST_PX, _LARGER_PX):
        width, height = max(2, min(wide, area.width)), max(2, min(tall, area.height))
        picture = Image.blank(PixelFormat.I420, width, height)
        for plane, grey in zip(picture.planes, (90, 128, 128), strict=True):
            plane.fill(grey)
        part = Zoom(view.scale).view(width, height)
        # The first one warms it up.
        for _ in range(2):
            begun_ns = time.monotonic_ns()
            model.sharpened(picture, part, lambda: None)
            took_s = (time.monotonic_ns() - begun_ns) / 1e9
        pixels = part.area.width * part.area.height
        if took_s > _QUICK_S:
            break
    return took_s * area.width * area.height / pixels


def _shown(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
