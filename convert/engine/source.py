"""Where a graph comes from: an ONNX, TFLite or frozen TensorFlow file, or a name."""

from __future__ import annotations

import hashlib
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from faceguard.convert.onnx_bytes import parsed
from faceguard.convert.pull.prepare import make_dynamic
from faceguard.engines.catalogue import Catalogue, read_catalogue
from faceguard.engines.errors import BadModelFile, InputError
from faceguard.engines.store import find_graph

if TYPE_CHECKING:
    import onnx

    from faceguard.engines.catalogue import Entry

Kind = Literal["onnx", "tflite", "pb"]

_MOST_BYTES = 2 << 30
_FIRST_BYTES: dict[int, Kind] = {0x08: "onnx", 0x0A: "pb"}
_TITLES: dict[Kind, str] = {
    "onnx": "an ONNX graph",
    "tflite": "a TFLite model",
    "pb": "a frozen TensorFlow graph",
}


@dataclass(frozen=True)
class Source:
    """A file that a graph is made from.

    Attributes:
        name: What the engine will be called.
        kind: Its form.
        path: Where it lies.
        data: Its bytes, read once, so that what was hashed is what is converted.
        sha256: Their hash.
        entry: The model in the catalogue, where it was named by that, or its file was given.
    """

    name: str
    kind: Kind
    path: Path
    data: bytes
    sha256: str
    entry: Entry | None = None

    @classmethod
    def from_file(cls, path: Path, kind: Kind, catalogue: Catalogue | None = None) -> Source:
        """Reads a file; one that the catalogue knows by its hash is that model.

        Args:
            path: Where it lies.
            kind: What it is said to be.
            catalogue: The catalogue; None reads the usual one.

        Raises:
            InputError: It cannot be read.
            BadModelFile: It is empty, or larger than such files can be.
            UsageError: The catalogue is broken.
        """
        data = _read(path)
        _check_kind(path, data, kind)
        digest = hashlib.sha256(data).hexdigest()
        models = (catalogue or read_catalogue()).entries.values()
        known = next((entry for entry in models if entry.sha256 == digest), None)
        return cls(_plain_name(path.stem), kind, path, data, digest, known)

    @classmethod
    def from_name(cls, name: str, catalogue: Catalogue | None = None) -> Source:
        """The prepared graph of a model in the catalogue.

        Args:
            name: Its name.
            catalogue: The catalogue; None reads the usual one.

        Raises:
            ModelUnknown: The catalogue has no such name.
            ModelMissing: It was not pulled.
            ModelCorrupt: Its bytes are not those that were written.
            UsageError: The name belongs to a sample.
        """
        catalogue = catalogue or read_catalogue()
        graph = find_graph(name, catalogue=catalogue)
        data = _read(graph)
        return cls(
            name, "onnx", graph, data, hashlib.sha256(data).hexdigest(), catalogue.entry(name)
        )

    def load(self) -> onnx.ModelProto:
        """The graph, not yet checked, with the inputs and outputs of the file.

        Raises:
            BadModelFile: Truncated, damaged, or of another kind.
            UnsupportedOp: An operation that the converter does not know.
            MissingPackage: A package that reading this kind needs is not installed.
        """
        if self.kind == "tflite":
            from faceguard.convert.tflite import convert_tflite

            return convert_tflite(self.data, name=self.name)
        if self.kind == "pb":
            from faceguard.convert.frozen import convert_frozen

            return convert_frozen(self.data, name=self.name)
        if self.entry is not None and self.sha256 == self.entry.sha256:
            # As it was exported it takes one size; `faceguard models pull` opens it likewise.
            return make_dynamic(self.data, name=self.name)
        return parsed(self.data, name=self.name)


def _read(path: Path) -> bytes:
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):
            raise InputError(f"{path}: not a file; name the model's file")
        if facts.st_size > _MOST_BYTES:
            raise BadModelFile(f"{path}: {facts.st_size} bytes; graphs past 2 GB are not read")
        data = path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(f"{path}: cannot be read: {reason}") from error
    if not data:
        raise BadModelFile(f"{path}: an empty file; fetch or export it anew")
    return data


def _check_kind(path: Path, data: bytes, kind: Kind) -> None:
    """Tells a file that was given under another kind's option, by its first bytes.

    Both others are protocol buffers: ONNX files begin with the version of their form, field 1, a
    number; TensorFlow's with the first node, field 1, a message.
    """
    is_tflite = data[4:8] == b"TFL3"
    looks: Kind | None = "tflite" if is_tflite else _FIRST_BYTES.get(data[0])
    if looks is not None and looks != kind and (is_tflite or kind != "tflite"):
        raise BadModelFile(f"{path}: looks like {_TITLES[looks]}; give it as --{looks}")
    if kind == "tflite" and not is_tflite:
        raise BadModelFile(f"{path}: not a TFLite model: no 'TFL3' at byte 4; fetch it anew")


def _plain_name(stem: str) -> str:
    """A file's stem as the name of an engine: it becomes a folder's."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip(".-")[:80] or "model"
