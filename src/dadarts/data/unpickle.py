"""The pickles of the official CIFAR archives, read as plain data: nothing in them runs, and numpy unpickles nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dadarts.data.opcodes import interpret
from dadarts.data.pickle_machine import DamagedError, Name
from dadarts.errors import InputError, shortened

_NUMPY_MODULES = frozenset(
    {"numpy"} | {f"numpy.{core}.{part}" for core in ("core", "_core") for part in ("multiarray", "numeric")}
)
_TYPES = MappingProxyType(
    {code: np.dtype(code) for code in ("b1", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8")}
)
"""What an array may hold: types without fields, subarrays or pointers."""
_MOST_DIMENSIONS, _LARGEST_DIMENSION = 4, 2**31
_FORTRAN = ("F", b"F")


def read_pickle(content: bytes, name: str) -> dict[str, Any]:
    """The dictionary in a pickle of numpy arrays, text, numbers, lists and dictionaries; keys become str.

    The protocols 0 to 5 are read, as written by Python 2 and 3 and by old and new numpy.

    Raises InputError, naming the file, where the pickle is damaged or asks for anything else.
    """
    try:
        value = interpret(content, _Numpy(name))
        if isinstance(value, dict):
            return {_text(key): item.finished() if isinstance(item, _Array) else item for key, item in value.items()}
    except DamagedError as error:
        raise InputError(f"{name} is damaged: it cannot be unpickled ({error})") from error
    raise InputError(f"{name} should hold a dictionary, but holds a {type(value).__name__}")


def _text(key: str | bytes) -> str:
    return key.decode("latin1") if isinstance(key, bytes) else key


class _Type:
    """A simple type of numpy, in the byte order of its file."""

    def __init__(self, code: object) -> None:
        code = _word(code)
        if code not in _TYPES:
            raise DamagedError(f"an array of the type {shortened(code, 20)!r}")
        self.dtype = _TYPES[code]

    def set_state(self, state: object) -> None:
        # (version, byte order, subarray, field names, fields, item size, alignment, flags[, metadata])
        if not isinstance(state, tuple) or len(state) < 5 or any(part is not None for part in state[2:5]):
            raise DamagedError("an array of a type with fields")
        order = _word(state[1])
        if order not in ("<", ">", "|", "="):
            raise DamagedError("an array of an unknown byte order")
        self.dtype = self.dtype.newbyteorder(">" if order == ">" else "<")


class _Array:
    """An array of numpy, which comes in two steps: made empty, then given its state."""

    def __init__(self) -> None:
        self._array: NDArray[Any] | None = None

    def set_state(self, state: object) -> None:
        # (version, shape, type, whether Fortran's order, bytes); numpy 1.0 wrote no version.
        if not isinstance(state, tuple) or len(state) not in (4, 5):
            raise DamagedError("an array without a state")
        shape, kind, fortran, raw = state[-4:]
        self._array = _array(raw, kind, shape, bool(fortran))

    def finished(self) -> NDArray[Any]:
        if self._array is None:
            raise DamagedError("an array without a state")
        return self._array


class _Numpy:
    """What numpy writes into pickles, checked and made without numpy's own unpickling."""

    def __init__(self, file: str) -> None:
        self._file = file

    def call(self, name: Name, arguments: tuple[Any, ...]) -> Any:
        make = _FUNCTIONS.get(name.name) if name.module in _NUMPY_MODULES else None
        make = _CODECS.get(name, make)
        if make is None:
            called = shortened(f"{name.module}.{name.name}", 80)
            raise InputError(f"{self._file} is refused: beside data it holds code ({called}), which is never run")
        try:
            return make(*arguments)
        except TypeError as error:
            raise DamagedError(f"{name.name} of {len(arguments)} values") from error

    def set_state(self, made: Any, state: Any) -> None:
        if not isinstance(made, _Array | _Type):
            raise DamagedError(f"a state for a {type(made).__name__}")
        made.set_state(state)


def _array(raw: object, kind: object, shape: object, fortran: bool) -> NDArray[Any]:
    """An array of the bytes `raw`, which may lie in text, a byte a character."""
    content = _latin1(raw) if isinstance(raw, str) else raw
    if not isinstance(content, bytes) or not isinstance(kind, _Type) or not isinstance(shape, tuple):
        raise DamagedError("an array without bytes, or of no simple type or shape")
    whole = all(type(size) is int and 0 <= size <= _LARGEST_DIMENSION for size in shape)
    if not whole or len(shape) > _MOST_DIMENSIONS or math.prod(shape) * kind.dtype.itemsize != len(content):
        raise DamagedError(f"an array whose shape does not fit its {len(content)} bytes")
    return np.frombuffer(content, kind.dtype).reshape(shape, order="F" if fortran else "C")


def _reconstruct(kind: object, shape: object, code: object) -> _Array:
    if not isinstance(kind, Name) or kind.module != "numpy" or kind.name != "ndarray":
        raise DamagedError("an array of an unknown kind")
    return _Array()


def _frombuffer(raw: object, kind: object, shape: object, order: object) -> _Array:
    made = _Array()
    made.set_state((shape, kind, order in _FORTRAN, raw))
    return made


def _scalar(kind: object, raw: object) -> Any:
    return _array(raw, kind, (), fortran=False).item()


def _type(code: object, align: object = 0, copy: object = 0) -> _Type:
    return _Type(code)


def _nothing() -> bytes:
    return b""


def _latin1(text: object, encoding: object = "latin1") -> bytes:
    if not isinstance(text, str) or encoding != "latin1":
        raise DamagedError("bytes in an unknown encoding")
    try:
        return text.encode("latin1")
    except UnicodeEncodeError as error:
        raise DamagedError("bytes beyond 255") from error


def _word(given: object) -> str:
    """A short ASCII text, which Python 2 wrote as bytes."""
    return _text(given) if isinstance(given, str | bytes) else ""


_FUNCTIONS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {"_reconstruct": _reconstruct, "_frombuffer": _frombuffer, "scalar": _scalar, "dtype": _type}
)
_CODECS: Mapping[Name, Callable[..., Any]] = MappingProxyType(
    # How protocols below 3, which know no bytes, spell them, and those of no length.
    {Name("_codecs", "encode"): _latin1, Name("__builtin__", "bytes"): _nothing}
)
