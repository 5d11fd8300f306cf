"""What interprets a pickle: a stack, the stacks below its marks, a memo, a builder for all that is no data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

_LONGEST_NUMBER = 100
"""Characters of a number written in text, and so of nothing that takes long to convert."""


class DamagedError(Exception):
    """The bytes are no pickle of data."""


@dataclass(frozen=True)
class Name:
    """What a pickle refers to by a module and a name; never imported."""

    module: str
    name: str


class Builder(Protocol):
    """Makes what is neither text nor a number nor a container."""

    def call(self, name: Name, arguments: tuple[Any, ...]) -> Any:
        """What a function of that name would return."""
        ...

    def set_state(self, made: Any, state: Any) -> None:
        """Completes what `call` made."""
        ...


class Machine:
    """A stack, the stacks below its marks, and the memo, as pickle's language needs them."""

    def __init__(self, content: bytes, builder: Builder) -> None:
        self.content = content
        self.builder = builder
        self.position = 0
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def take(self, size: int) -> bytes:
        end = self.position + size
        if end > len(self.content):
            raise DamagedError(f"it ends at byte {len(self.content)}, within {size} promised bytes")
        taken = self.content[self.position : end]
        self.position = end
        return taken

    def number(self, size: int, signed: bool = False) -> int:
        return int.from_bytes(self.take(size), "little", signed=signed)

    def line(self) -> bytes:
        end = self.content.find(b"\n", self.position)
        if end < 0:
            raise DamagedError(f"it ends at byte {len(self.content)}, within a line")
        taken = self.content[self.position : end]
        self.position = end + 1
        return taken

    def short_line(self) -> bytes:
        taken = self.line()
        if len(taken) > _LONGEST_NUMBER:
            raise DamagedError(f"a number of {len(taken)} characters")
        return taken

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self) -> Any:
        if not self.stack:
            raise DamagedError(f"nothing is on the stack at byte {self.position}")
        return self.stack.pop()

    def top(self, kind: type[Any]) -> Any:
        if not self.stack or not isinstance(self.stack[-1], kind):
            raise DamagedError(f"no {kind.__name__} is on the stack at byte {self.position}")
        return self.stack[-1]

    def mark(self) -> None:
        self.below.append(self.stack)
        self.stack = []

    def pop_to_mark(self) -> list[Any]:
        if not self.below:
            raise DamagedError(f"no mark is set at byte {self.position}")
        items = self.stack
        self.stack = self.below.pop()
        return items

    def put(self, place: int) -> None:
        self.memo[place] = self.top(object)

    def get(self, place: int) -> None:
        if place not in self.memo:
            raise DamagedError(f"memo {place} is read before it is written")
        self.push(self.memo[place])
