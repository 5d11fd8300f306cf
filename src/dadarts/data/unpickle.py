"""The pickles of the official CIFAR archives, read as plain data: nothing in them can run."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from dadarts.errors import InputError


def read_pickle(content: bytes, name: str) -> dict[str, Any]:
    """The dictionary in a pickle of numpy arrays, text, numbers, lists and dictionaries; keys become str.

    Raises InputError, naming the file, where the pickle is damaged or asks for anything else.
    """
    try:
        value = _DataOnly(io.BytesIO(content), name).load()
    except InputError:
        raise
    except Exception as error:  # Damaged bytes are opcodes too, and so can raise any type.
        raise InputError(f"{name} is damaged: it cannot be unpickled ({type(error).__name__})") from error
    if not isinstance(value, dict):
        raise InputError(f"{name} should hold a dictionary, but holds a {type(value).__name__}")
    return {key.decode("latin1") if isinstance(key, bytes) else str(key): item for key, item in value.items()}


def _latin1(text: str, encoding: str = "latin1") -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"text in {encoding[:20]!r}")
    return text.encode("latin1")


_array = np.zeros(1, np.uint8)
_ADMITTED: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "_reconstruct": _array.__reduce__()[0],  # type: ignore[dict-item]
        "_frombuffer": _array.__reduce_ex__(5)[0],  # type: ignore[dict-item]
        "scalar": _array[0].__reduce__()[0],
        "ndarray": np.ndarray,
        "dtype": np.dtype,
    }
)
_NUMPY_MODULES = frozenset(
    {"numpy"} | {f"numpy.{core}.{part}" for core in ("core", "_core") for part in ("multiarray", "numeric")}
)


class _DataOnly(pickle.Unpickler):
    def __init__(self, stream: io.BytesIO, name: str) -> None:
        super().__init__(stream, encoding="latin1")
        self._name = name

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        if (module, name) == ("_codecs", "encode"):
            return _latin1
        if module in _NUMPY_MODULES and name in _ADMITTED:
            return _ADMITTED[name]
        raise InputError(f"{self._name} is refused: beside data it holds code ({module}.{name}), which is never run")
