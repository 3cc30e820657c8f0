"""The layout of the kernel's structures, as this machine's C compiler has it."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import pytest

from faceguard.edge.cameras import v4l2_structs as structs

CLASSES = {
    "v4l2_capability": structs.Capability,
    "v4l2_fmtdesc": structs.FormatDescription,
    "v4l2_frmsizeenum": structs.FrameSize,
    "v4l2_frmivalenum": structs.FrameInterval,
    "v4l2_format": structs.PictureFormat,
    "v4l2_streamparm": structs.StreamParameters,
    "v4l2_requestbuffers": structs.RequestBuffers,
    "v4l2_buffer": structs.Buffer,
}
# Names of fields: the kernel's and ours.
FIELDS = {
    ("v4l2_capability", "device_caps"): "device_caps",
    ("v4l2_fmtdesc", "pixelformat"): "pixelformat",
    ("v4l2_frmsizeenum", "discrete"): "size",
    ("v4l2_frmsizeenum", "stepwise.step_height"): "size",
    ("v4l2_frmivalenum", "discrete"): "interval",
    ("v4l2_frmivalenum", "height"): "height",
    ("v4l2_format", "fmt.pix.width"): "width",
    ("v4l2_format", "fmt.pix.pixelformat"): "pixelformat",
    ("v4l2_format", "fmt.pix.field"): "field",
    ("v4l2_format", "fmt.pix.bytesperline"): "bytesperline",
    ("v4l2_format", "fmt.pix.colorspace"): "colorspace",
    ("v4l2_format", "fmt.pix.quantization"): "quantization",
    ("v4l2_streamparm", "parm.capture.capability"): "capability",
    ("v4l2_streamparm", "parm.capture.timeperframe.numerator"): "numerator",
    ("v4l2_streamparm", "parm.capture.timeperframe.denominator"): "denominator",
    ("v4l2_requestbuffers", "memory"): "memory",
    ("v4l2_buffer", "bytesused"): "bytesused",
    ("v4l2_buffer", "flags"): "flags",
    ("v4l2_buffer", "timestamp.tv_sec"): "seconds",
    ("v4l2_buffer", "timestamp.tv_usec"): "microseconds",
    ("v4l2_buffer", "sequence"): "sequence",
    ("v4l2_buffer", "memory"): "memory",
    ("v4l2_buffer", "m.offset"): "offset",
    ("v4l2_buffer", "length"): "length",
}
REQUESTS = (
    "QUERYCAP", "ENUM_FMT", "G_FMT", "S_FMT", "REQBUFS", "QUERYBUF", "QBUF", "DQBUF", "STREAMON",
    "STREAMOFF", "G_PARM", "S_PARM", "ENUM_FRAMESIZES", "ENUM_FRAMEINTERVALS",
)  # fmt: skip
NUMBERS = {
    "V4L2_BUF_TYPE_VIDEO_CAPTURE": structs.CAPTURE,
    "V4L2_MEMORY_MMAP": structs.MMAP,
    "V4L2_FRMSIZE_TYPE_DISCRETE": structs.DISCRETE,
    "V4L2_FRMIVAL_TYPE_DISCRETE": structs.DISCRETE,
    "V4L2_CAP_VIDEO_CAPTURE": structs.CAN_CAPTURE,
    "V4L2_CAP_VIDEO_CAPTURE_MPLANE": structs.CAN_CAPTURE_PLANES,
    "V4L2_CAP_STREAMING": structs.CAN_STREAM,
    "V4L2_CAP_DEVICE_CAPS": structs.HAS_DEVICE_CAPS,
    "V4L2_CAP_TIMEPERFRAME": structs.CAN_SET_RATE,
    "V4L2_BUF_FLAG_KEYFRAME": structs.BUFFER_KEYFRAME,
    "V4L2_BUF_FLAG_ERROR": structs.BUFFER_ERROR,
    "V4L2_FIELD_NONE": structs.FIELD_NONE,
    "V4L2_FIELD_TOP": structs.HALF_PICTURES[0],
    "V4L2_FIELD_BOTTOM": structs.HALF_PICTURES[1],
    "V4L2_FIELD_ALTERNATE": structs.HALF_PICTURES[2],
}


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """What the header says, by expression."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or not Path("/usr/include/linux/videodev2.h").is_file():
        pytest.skip("no C compiler, or no headers of the kernel, on this machine")
    expressions = [f"sizeof(struct {name})" for name in CLASSES]
    expressions += [f"offsetof(struct {name}, {field})" for name, field in FIELDS]
    expressions += [f"VIDIOC_{name}" for name in REQUESTS]
    expressions += list(NUMBERS)
    lines = [f'printf("{e} = %llu\\n", (unsigned long long){e});' for e in expressions]
    folder = tmp_path_factory.mktemp("header")
    source = folder / "header.c"
    source.write_text(
        "#include <linux/videodev2.h>\n#include <stddef.h>\n#include <stdio.h>\n"
        "int main(void) {\n" + "\n".join(lines) + "\nreturn 0;\n}\n"
    )
    subprocess.run([compiler, "-o", str(folder / "header"), str(source)], check=True)
    told = subprocess.run([str(folder / "header")], check=True, capture_output=True, text=True)
    pairs = (line.split(" = ") for line in told.stdout.splitlines())
    return {name: int(value) for name, value in pairs}


def test_sizes(kernel: dict[str, int]) -> None:
    for name, ours in CLASSES.items():
        assert ctypes.sizeof(ours) == kernel[f"sizeof(struct {name})"], name


def test_places_of_fields(kernel: dict[str, int]) -> None:
    for (name, field), ours in FIELDS.items():
        place = getattr(CLASSES[name], ours).offset
        if field == "stepwise.step_height":
            place += 5 * 4
        assert place == kernel[f"offsetof(struct {name}, {field})"], (name, field)


def test_requests(kernel: dict[str, int]) -> None:
    for name in REQUESTS:
        assert getattr(structs, name) == kernel[f"VIDIOC_{name}"], name


def test_numbers(kernel: dict[str, int]) -> None:
    for name, ours in NUMBERS.items():
        assert ours == kernel[name], name
