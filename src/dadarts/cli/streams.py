"""Standard streams as a command finds them: closed, full, broken, or of an encoding that lacks a letter."""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from dadarts.errors import RunError


@contextmanager
def usable() -> Iterator[None]:
    """Let nothing that a person might miss to read keep a command from its work.

    A closed stream swallows what is written, and so does a standard error that cannot be written; letters that an
    encoding lacks are written as escapes.
    """
    _fill()
    before = sys.stdout, sys.stderr
    if sys.stdout is None:
        sys.stdout = _nothing()
    elif sys.stdout is sys.__stdout__ and isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors=_AS_ESCAPES)
    unfailing = _unfailing(sys.stderr) if sys.stderr is None or sys.stderr is sys.__stderr__ else None
    if unfailing is not None:
        sys.stderr = unfailing
    try:
        yield
    finally:
        if isinstance(unfailing, _Unfailing):
            # What is told after this, by the interpreter, goes where it always goes.
            with suppress(OSError, ValueError):
                unfailing.detach()
        sys.stdout, sys.stderr = before


def flush_output() -> None:
    """Write what standard output has still to write.

    Raises:
        RunError: it cannot be written.
        BrokenPipeError: nobody reads it any more.
    """
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise unwritten(error) from None


def refusal(error: OSError) -> str:
    """Which file the system has refused, and why; of one without a name, that stdout cannot be written."""
    return str(unwritten(error)) if error.filename is None else f"{error.filename}: {error.strerror}"


def unwritten(error: OSError, before: str = "") -> RunError:
    """The error for a standard output that cannot be written, which from now on swallows what comes.

    Args:
        before: what is true all the same.
    """
    swallow(sys.stdout)
    return RunError(f"{before}standard output cannot be written: {error.strerror or error}")


def swallow(stream: TextIO) -> None:
    """Let a stream that cannot be written write to nowhere, what it holds already with it."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _escaped(error: UnicodeError) -> tuple[str | bytes, int]:
    # A path's own bytes, where they are no text, are what they are.
    with suppress(UnicodeError):
        return codecs.lookup_error("surrogateescape")(error)
    return codecs.lookup_error("backslashreplace")(error)


_AS_ESCAPES = "dadarts-escapes"
codecs.register_error(_AS_ESCAPES, _escaped)


class _Unfailing(io.TextIOWrapper):
    """A standard error that does not fail."""

    def write(self, text: str, /) -> int:
        try:
            return super().write(text)
        except OSError:
            swallow(self)
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError:
            swallow(self)


def _unfailing(stream: TextIO | None) -> TextIO:
    if not isinstance(stream, io.TextIOWrapper):
        return _nothing()
    return _Unfailing(stream.buffer, encoding=stream.encoding, errors="backslashreplace", line_buffering=True)


def _nothing() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 -- as long as the process


def _fill() -> None:
    """Open closed descriptors: the next file that is opened would get the number, and what a library prints into it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
