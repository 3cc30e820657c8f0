"""Pictures as they come back from H.264 and from JPEG, for whoever looks for something in them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction

import av
import numpy as np
import PIL.Image
import pytest

from faceguard.edge.av_image import as_av, view
from faceguard.edge.types import Image
from tests.edge.live.faults import copied


def through_codec(images: Sequence[Image], name: str, form: str, **options: str) -> list[Image]:
    """Pictures encoded and decoded again."""
    encoder = av.CodecContext.create(name, "w")
    encoder.width, encoder.height = images[0].width, images[0].height
    encoder.pix_fmt, encoder.time_base, encoder.options = form, Fraction(1, 25), options
    decoder = av.CodecContext.create("h264" if name == "libx264" else name, "r")
    out = []

    def decode(packet: av.Packet | None) -> None:
        out.extend(copied(view(frame)) for frame in decoder.decode(packet))

    for index, image in enumerate(images):
        frame = as_av(image).reformat(format=form)
        frame.pts, frame.time_base = index, Fraction(1, 25)
        for packet in encoder.encode(frame):
            decode(packet)
    for packet in encoder.encode(None):
        decode(packet)
    decode(None)
    assert len(out) == len(images)
    return out


def x264(images: Sequence[Image]) -> list[Image]:
    return through_codec(images, "libx264", "yuv420p", crf="23", preset="superfast")


def jpeg(images: Sequence[Image]) -> list[Image]:
    """Pictures as JPEG of quality 75, chroma subsampled, and read as they are stored."""
    out = []
    for image in images:
        whole = view(as_av(image).reformat(format="yuv420p"))
        luma, *chroma = whole.planes
        layers_full = [luma, *(plane.repeat(2, axis=0).repeat(2, axis=1) for plane in chroma)]
        file = io.BytesIO()
        # As they are: JPEG's own range of luma is another, but clips nothing of this.
        pixels = np.ascontiguousarray(np.stack(layers_full, axis=2))
        size = (image.width, image.height)
        picture = PIL.Image.frombuffer("YCbCr", size, pixels.tobytes(), "raw", "YCbCr", 0, 1)
        picture.save(file, "jpeg", quality=75, subsampling="4:2:0")
        with av.open(io.BytesIO(file.getvalue()), format="jpeg_pipe") as container:
            out += [copied(view(frame)) for frame in container.decode(video=0)]
    assert len(out) == len(images)
    return out


CODECS = pytest.mark.parametrize("codec", [list, x264, jpeg])
