"""What each TensorFlow operation is in ONNX: one function each, found by name.

Settings and formulas are those of TensorFlow's documentation of its raw operations. Shapes here
are in the file's layout. Each function raises BadModelFile where the operation contradicts itself
and UnsupportedOp where it is sound but not converted; who calls it says which node that was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from faceguard.convert.frozen.ops import arrange, constants, elementwise, windows

if TYPE_CHECKING:
    from collections.abc import Callable

    from faceguard.convert.frozen.call import Call

CONVERTERS: dict[str, Callable[[Call], None]] = {
    **constants.CONVERTERS,
    **elementwise.CONVERTERS,
    **arrange.CONVERTERS,
    **windows.CONVERTERS,
}
"""Every operation that can be converted, by its name in TensorFlow."""
