"""Where a graph comes from: an ONNX, TFLite or frozen TensorFlow file, or a name."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from faceguard.convert.onnx_bytes import parsed
from faceguard.engines.catalogue import Catalogue, read_catalogue
from faceguard.engines.errors import BadModelFile, InputError
from faceguard.engines.store import find_graph

if TYPE_CHECKING:
    import onnx

    from faceguard.engines.catalogue import Entry

Kind = Literal["onnx", "tflite", "pb"]

_MOST_BYTES = 2 << 30


@dataclass(frozen=True)
class Source:
    """A file that a graph is made from.

    Attributes:
        name: What the engine will be called.
        kind: Its form.
        path: Where it lies.
        data: Its bytes, read once, so that what was hashed is what is converted.
        sha256: Their hash.
        entry: The model in the catalogue, where it was named by that.
    """

    name: str
    kind: Kind
    path: Path
    data: bytes
    sha256: str
    entry: Entry | None = None

    @classmethod
    def from_file(cls, path: Path, kind: Kind, *, entry: Entry | None = None) -> Source:
        """Reads a file.

        Args:
            path: Where it lies.
            kind: What it is said to be.
            entry: The model that it is.

        Raises:
            InputError: It cannot be read.
            BadModelFile: It is empty, or larger than such files can be.
        """
        try:
            size = path.stat().st_size
            if size > _MOST_BYTES:
                raise BadModelFile(f"{path}: {size} bytes; graphs past 2 GB are not read")
            data = path.read_bytes()
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise InputError(f"{path}: cannot be read: {reason}") from error
        if not data:
            raise BadModelFile(f"{path}: an empty file; fetch or export it anew")
        name = entry.name if entry else _plain_name(path.stem)
        return cls(name, kind, path, data, hashlib.sha256(data).hexdigest(), entry)

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
        return cls.from_file(graph, "onnx", entry=catalogue.entry(name))

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
        return parsed(self.data, name=self.name)


def _plain_name(stem: str) -> str:
    """A file's stem as the name of an engine: it becomes a folder's."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip(".-")[:80] or "model"
