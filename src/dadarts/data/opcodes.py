"""The part of pickle's language that spells data, interpreted without Python's unpickler: nothing is ever called.

Python's own unpickler runs what it reads, and numpy's part of it trusts the states that it is given: a forged one
crashes the interpreter. Here text, numbers, lists, tuples and dictionaries are made, and whatever else a pickle names,
calls or builds is asked of a `Builder`.

References: Python's pickletools, which documents every opcode of protocols 0 to 5.
"""

from __future__ import annotations

import codecs
import struct
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from dadarts.data.pickle_machine import Builder, DamagedError, Machine, Name
from dadarts.errors import InputError

_OPCODES, _BYTES_PER_OPCODE = 1_000_000, 256
"""How many opcodes are read of a file of any size, and how many more of a large one; a batch of CIFAR has one a kB."""


def interpret(content: bytes, builder: Builder) -> Any:
    """The value that a pickle spells.

    Dictionaries have keys of text and bytes alone; text that Python 2 wrote stays bytes.

    Raises:
        DamagedError: it is cut short, or no pickle of data.
    """
    machine = Machine(content, builder)
    left = _OPCODES + len(content) // _BYTES_PER_OPCODE
    try:
        while (code := machine.number(1)) != _STOP:
            left -= 1
            if not left:
                raise DamagedError("more steps than data need")
            if code not in _STEPS:
                raise DamagedError(f"opcode {code:#04x} at byte {machine.position - 1} spells no data")
            _STEPS[code](machine)
    except ValueError as error:  # InputError is one too, but is not raised by what is damaged
        if isinstance(error, InputError):
            raise
        raise DamagedError(f"no number or text at byte {machine.position}") from error
    return machine.pop()


def _constant(machine: Machine, value: Any) -> None:
    machine.push(value)


def _empty(machine: Machine, kind: type[Any]) -> None:
    machine.push(kind())


def _number(machine: Machine, size: int, signed: bool = False) -> None:
    machine.push(machine.number(size, signed))


def _number_in_text(machine: Machine) -> None:
    text = machine.short_line().rstrip(b"L")
    # Protocols 0 and 1 write False and True so.
    machine.push({b"00": False, b"01": True}[text] if text in (b"00", b"01") else int(text))


def _long(machine: Machine, size_bytes: int) -> None:
    machine.push(machine.number(machine.number(size_bytes), signed=True))


def _float_in_text(machine: Machine) -> None:
    machine.push(float(machine.short_line()))


def _float(machine: Machine) -> None:
    machine.push(struct.unpack(">d", machine.take(8))[0])


def _bytes(machine: Machine, size_bytes: int) -> None:
    machine.push(machine.take(machine.number(size_bytes)))


def _bytes_in_text(machine: Machine) -> None:
    line = machine.line()
    if len(line) < 2 or line[:1] not in b"'\"" or line[:1] != line[-1:]:
        raise DamagedError("text without quotes")
    machine.push(codecs.escape_decode(line[1:-1])[0])


def _text(machine: Machine, size_bytes: int) -> None:
    machine.push(machine.take(machine.number(size_bytes)).decode("utf-8", "surrogatepass"))


def _text_in_text(machine: Machine) -> None:
    machine.push(machine.line().decode("raw-unicode-escape"))


def _tuple(machine: Machine, count: int) -> None:
    machine.push(tuple(machine.pop() for _ in range(count))[::-1])


def _collected(machine: Machine, collect: Callable[[list[Any]], Any]) -> None:
    items = machine.pop_to_mark()
    machine.push(collect(items))


def _dictionary(items: list[Any]) -> dict[Any, Any]:
    made: dict[Any, Any] = {}
    _add_pairs(made, items)
    return made


def _add_pairs(target: dict[Any, Any], items: list[Any]) -> None:
    if len(items) % 2:
        raise DamagedError("a key has no value")
    for key, value in zip(items[::2], items[1::2], strict=True):
        # Hashing nested tuples descends as deep as a file likes, and the interpreter's stack does not.
        if not isinstance(key, str | bytes):
            raise DamagedError(f"a key is no text, but a {type(key).__name__}")
        target[key] = value


def _append(machine: Machine) -> None:
    item = machine.pop()
    machine.top(list).append(item)


def _appends(machine: Machine) -> None:
    items = machine.pop_to_mark()
    machine.top(list).extend(items)


def _set_item(machine: Machine) -> None:
    value, key = machine.pop(), machine.pop()
    _add_pairs(machine.top(dict), [key, value])


def _set_items(machine: Machine) -> None:
    items = machine.pop_to_mark()
    _add_pairs(machine.top(dict), items)


def _name_in_lines(machine: Machine) -> None:
    module, name = machine.line(), machine.line()
    machine.push(Name(module.decode("utf-8"), name.decode("utf-8")))


def _name_on_stack(machine: Machine) -> None:
    name, module = machine.pop(), machine.pop()
    if not isinstance(module, str) or not isinstance(name, str):
        raise DamagedError("a name is no text")
    machine.push(Name(module, name))


def _call(machine: Machine) -> None:
    arguments, name = machine.pop(), machine.pop()
    if not isinstance(name, Name) or not isinstance(arguments, tuple):
        raise DamagedError("something is called that has no name")
    machine.push(machine.builder.call(name, arguments))


def _set_state(machine: Machine) -> None:
    state = machine.pop()
    machine.builder.set_state(machine.top(object), state)


_STOP = ord(".")
_SPELLED: tuple[tuple[bytes, Callable[[Machine], object]], ...] = (
    (b"\x80", lambda machine: machine.take(1)),  # the protocol, which each opcode implies
    (b"\x95", lambda machine: machine.take(8)),  # the length of a frame, likewise
    (b"N", partial(_constant, value=None)),
    (b"\x88", partial(_constant, value=True)),
    (b"\x89", partial(_constant, value=False)),
    (b")", partial(_constant, value=())),
    (b"]", partial(_empty, kind=list)),
    (b"}", partial(_empty, kind=dict)),
    (b"K", partial(_number, size=1)),
    (b"M", partial(_number, size=2)),
    (b"J", partial(_number, size=4, signed=True)),
    (b"I", _number_in_text),
    (b"L", _number_in_text),
    (b"\x8a", partial(_long, size_bytes=1)),
    (b"F", _float_in_text),
    (b"G", _float),
    (b"S", _bytes_in_text),
    (b"U", partial(_bytes, size_bytes=1)),
    (b"T", partial(_bytes, size_bytes=4)),
    (b"C", partial(_bytes, size_bytes=1)),
    (b"B", partial(_bytes, size_bytes=4)),
    (b"\x8e", partial(_bytes, size_bytes=8)),
    (b"\x96", partial(_bytes, size_bytes=8)),  # a bytearray, which nobody can change here
    (b"V", _text_in_text),
    (b"\x8c", partial(_text, size_bytes=1)),
    (b"X", partial(_text, size_bytes=4)),
    (b"\x8d", partial(_text, size_bytes=8)),
    (b"(", lambda machine: machine.mark()),
    (b"0", lambda machine: machine.pop()),
    (b"1", lambda machine: machine.pop_to_mark()),
    (b"2", lambda machine: machine.push(machine.top(object))),
    (b"t", partial(_collected, collect=tuple)),
    (b"l", partial(_collected, collect=list)),
    (b"d", partial(_collected, collect=_dictionary)),
    (b"\x85", partial(_tuple, count=1)),
    (b"\x86", partial(_tuple, count=2)),
    (b"\x87", partial(_tuple, count=3)),
    (b"a", _append),
    (b"e", _appends),
    (b"s", _set_item),
    (b"u", _set_items),
    (b"p", lambda machine: machine.put(int(machine.short_line()))),
    (b"q", lambda machine: machine.put(machine.number(1))),
    (b"r", lambda machine: machine.put(machine.number(4))),
    (b"\x94", lambda machine: machine.put(len(machine.memo))),
    (b"g", lambda machine: machine.get(int(machine.short_line()))),
    (b"h", lambda machine: machine.get(machine.number(1))),
    (b"j", lambda machine: machine.get(machine.number(4))),
    (b"c", _name_in_lines),
    (b"\x93", _name_on_stack),
    (b"R", _call),
    (b"b", _set_state),
)
_STEPS: Mapping[int, Callable[[Machine], object]] = MappingProxyType({code[0]: step for code, step in _SPELLED})
