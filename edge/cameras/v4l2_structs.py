"""Numbers and structures of `linux/videodev2.h`, as 64-bit Linux lays them out."""

from __future__ import annotations

import ctypes
from ctypes import c_int32, c_int64, c_uint8, c_uint32
from fractions import Fraction

CAPTURE = 1  # V4L2_BUF_TYPE_VIDEO_CAPTURE
MMAP = 1  # V4L2_MEMORYMMAP
DISCRETE = 1  # V4L2_FRMSIZE_TYPE_DISCRETE, V4L2_FRMIVAL_TYPE_DISCRETE

CAN_CAPTURE = 0x00000001
CAN_CAPTURE_PLANES = 0x00001000
CAN_STREAM = 0x04000000
HAS_DEVICE_CAPS = 0x80000000
CAN_SET_RATE = 0x1000  # V4L2_CAP_TIMEPERFRAME

BUFFER_KEYFRAME = 0x08
BUFFER_ERROR = 0x40
_TIME_MASK = 0xE000
_TIME_MONOTONIC = 0x2000

FIELD_NONE = 1  # progressive
HALF_PICTURES = (2, 3, 7)  # V4L2_FIELD_TOP, BOTTOM, ALTERNATE

_COLORSPACE_JPEG = 7
_QUANTIZATION_FULL = 1
_QUANTIZATION_LIMITED = 2


class Capability(ctypes.Structure):
    """`struct v4l2_capability`."""

    _fields_ = (
        ("driver", c_uint8 * 16),
        ("card", c_uint8 * 32),
        ("bus_info", c_uint8 * 32),
        ("version", c_uint32),
        ("capabilities", c_uint32),
        ("device_caps", c_uint32),
        ("reserved", c_uint32 * 3),
    )


class FormatDescription(ctypes.Structure):
    """`struct v4l2_fmtdesc`."""

    _fields_ = (
        ("index", c_uint32),
        ("type", c_uint32),
        ("flags", c_uint32),
        ("description", c_uint8 * 32),
        ("pixelformat", c_uint32),
        ("mbus_code", c_uint32),
        ("reserved", c_uint32 * 3),
    )


class FrameSize(ctypes.Structure):
    """`struct v4l2_frmsizeenum`; `size` is width and height, or least, most and step of each."""

    _fields_ = (
        ("index", c_uint32),
        ("pixel_format", c_uint32),
        ("type", c_uint32),
        ("size", c_uint32 * 6),
        ("reserved", c_uint32 * 2),
    )


class FrameInterval(ctypes.Structure):
    """`struct v4l2_frmivalenum`; `interval` is one fraction, or least, most and step."""

    _fields_ = (
        ("index", c_uint32),
        ("pixel_format", c_uint32),
        ("width", c_uint32),
        ("height", c_uint32),
        ("type", c_uint32),
        ("interval", c_uint32 * 6),
        ("reserved", c_uint32 * 2),
    )


class PictureFormat(ctypes.Structure):
    """`struct v4l2_format` with its `struct v4l2_pix_format`."""

    _fields_ = (
        ("type", c_uint32),
        ("_align", c_uint32),
        ("width", c_uint32),
        ("height", c_uint32),
        ("pixelformat", c_uint32),
        ("field", c_uint32),
        ("bytesperline", c_uint32),
        ("sizeimage", c_uint32),
        ("colorspace", c_uint32),
        ("priv", c_uint32),
        ("flags", c_uint32),
        ("ycbcr_enc", c_uint32),
        ("quantization", c_uint32),
        ("xfer_func", c_uint32),
        ("_rest", c_uint8 * 152),
    )

    @property
    def full_range(self) -> bool:
        """Whether luma spans 0-255; where the driver leaves it open, only JPEG does."""
        if self.quantization in (_QUANTIZATION_FULL, _QUANTIZATION_LIMITED):
            return bool(self.quantization == _QUANTIZATION_FULL)
        return bool(self.colorspace == _COLORSPACE_JPEG)


class StreamParameters(ctypes.Structure):
    """`struct v4l2_streamparm` with its `struct v4l2_captureparm`."""

    _fields_ = (
        ("type", c_uint32),
        ("capability", c_uint32),
        ("capturemode", c_uint32),
        ("numerator", c_uint32),
        ("denominator", c_uint32),
        ("_rest", c_uint8 * 184),
    )

    @property
    def rate(self) -> Fraction | None:
        """Pictures per second, or None where the driver does not say."""
        if not (self.capability & CAN_SET_RATE and self.numerator and self.denominator):
            return None
        return Fraction(self.denominator, self.numerator)


class RequestBuffers(ctypes.Structure):
    """`struct v4l2_requestbuffers`."""

    _fields_ = (
        ("count", c_uint32),
        ("type", c_uint32),
        ("memory", c_uint32),
        ("capabilities", c_uint32),
        ("_rest", c_uint8 * 4),
    )


class Buffer(ctypes.Structure):
    """`struct v4l2_buffer`."""

    _fields_ = (
        ("index", c_uint32),
        ("type", c_uint32),
        ("bytesused", c_uint32),
        ("flags", c_uint32),
        ("field", c_uint32),
        ("_align", c_uint32),
        ("seconds", c_int64),
        ("microseconds", c_int64),
        ("timecode", c_uint8 * 16),
        ("sequence", c_uint32),
        ("memory", c_uint32),
        ("offset", c_uint32),
        ("_offset_rest", c_uint32),
        ("length", c_uint32),
        ("reserved2", c_uint32),
        ("request_fd", c_int32),
        ("_align_end", c_uint32),
    )

    @property
    def captured_ns(self) -> int | None:
        """When it was taken, monotonic nanoseconds, or None where the driver's clock is another."""
        if self.flags & _TIME_MASK != _TIME_MONOTONIC:
            return None
        return int(self.seconds) * 1_000_000_000 + int(self.microseconds) * 1000

    @property
    def mark(self) -> int | None:
        """Time and number that the driver gave this picture, as one number; None without a time.

        Drivers have been seen to give two pictures the same time, and others never to count.
        """
        time_us = int(self.seconds) * 1_000_000 + int(self.microseconds)
        return (time_us << 32 | int(self.sequence)) if time_us else None


def _request(direction: int, number: int, size: int) -> int:
    """A request number, as `_IOC` of `asm-generic/ioctl.h` makes it."""
    return direction << 30 | size << 16 | ord("V") << 8 | number


_WRITE, _READ, _BOTH = 1, 2, 3
QUERYCAP = _request(_READ, 0, ctypes.sizeof(Capability))
ENUM_FMT = _request(_BOTH, 2, ctypes.sizeof(FormatDescription))
G_FMT = _request(_BOTH, 4, ctypes.sizeof(PictureFormat))
S_FMT = _request(_BOTH, 5, ctypes.sizeof(PictureFormat))
REQBUFS = _request(_BOTH, 8, ctypes.sizeof(RequestBuffers))
QUERYBUF = _request(_BOTH, 9, ctypes.sizeof(Buffer))
QBUF = _request(_BOTH, 15, ctypes.sizeof(Buffer))
DQBUF = _request(_BOTH, 17, ctypes.sizeof(Buffer))
STREAMON = _request(_WRITE, 18, ctypes.sizeof(c_int32))
STREAMOFF = _request(_WRITE, 19, ctypes.sizeof(c_int32))
G_PARM = _request(_BOTH, 21, ctypes.sizeof(StreamParameters))
S_PARM = _request(_BOTH, 22, ctypes.sizeof(StreamParameters))
ENUM_FRAMESIZES = _request(_BOTH, 74, ctypes.sizeof(FrameSize))
ENUM_FRAMEINTERVALS = _request(_BOTH, 75, ctypes.sizeof(FrameInterval))
