"""Making one's own operations, spaces, parts of methods, methods, data sets and loggers known by name.

A plugin is a Python file, or an entry point of the group ``dadarts.plugins``, that calls `register` when imported. It
runs where a command names it (``--plugin my_file.py``) or a program imports it, and nowhere else: what a run has saved
says which one it needs, and never starts it.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import is_dataclass
from hashlib import sha256
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.metadata import EntryPoint
from pathlib import Path
from types import CodeType
from typing import Any, TypeVar

from dadarts import files
from dadarts.architecture.operations import ALL_OPS, OPS, Builder, Operation
from dadarts.architecture.spaces import SPACES, Entry, SearchSpace
from dadarts.data.registry import KNOWN, Facts, Reader
from dadarts.errors import InputError, shortened
from dadarts.loggers.known import LOGGERS, Known
from dadarts.loggers.logger import Opener
from dadarts.methods.catalogue import METHODS
from dadarts.methods.method import Method
from dadarts.methods.penalties import PENALTIES, Penalty
from dadarts.methods.relaxations import RELAXATIONS, Relaxation
from dadarts.methods.selection import SELECTIONS, Selection
from dadarts.methods.text import parts

GROUP = "dadarts.plugins"
"""The entry points that a package may offer."""

AnyBuilder = TypeVar("AnyBuilder", bound=Builder)
AnySpace = TypeVar("AnySpace", bound=Callable[[int], SearchSpace])
AnyMethod = TypeVar("AnyMethod", bound=Callable[[], Method])
AnyReader = TypeVar("AnyReader", bound=Reader)
AnyOpener = TypeVar("AnyOpener", bound=Opener)
AnyRelaxation = TypeVar("AnyRelaxation", bound=type[Relaxation])
AnyPenalty = TypeVar("AnyPenalty", bound=type[Penalty])
AnySelection = TypeVar("AnySelection", bound=type[Selection])


class Register:
    """Decorators that make what they decorate known by its name; each raises InputError where the name is taken."""

    def operation(
        self, name: str, *, label: str = "", parameter_free: bool = False, normed: bool = False
    ) -> Callable[[AnyBuilder], AnyBuilder]:
        """A function of ``(channels, stride, affine)`` that builds a module, for spaces whose genotypes are darts'.

        The module maps (B, C, H, W) to (B, C, ceil(H / stride), ceil(W / stride)) and zeros to zeros; `affine` is True
        in the network that is trained, whose batch norms keep running statistics.

        Args:
            label: what pictures write on an edge; the name where it is empty.
            parameter_free: whether it counts as collapse where a genotype is full of it.
            normed: whether it ends in a batch norm, which is affine-free in a supernet.
        """

        def known(build: AnyBuilder) -> AnyBuilder:
            _refuse_taken("operation", name, ALL_OPS, r"[A-Za-z_]\w*")
            OPS[name] = Operation(build, parameter_free, label or name, normed)
            return build

        return known

    def space(self, name: str, *, nodes: int = 4) -> Callable[[AnySpace], AnySpace]:
        """A function of a number of nodes that gives a `SearchSpace`; `nodes` is the number where none is asked for."""

        def known(build: AnySpace) -> AnySpace:
            _refuse_taken("search space", name, SPACES)
            SPACES[name] = Entry(build, nodes)
            return build

        return known

    def relaxation(self, kind: AnyRelaxation) -> AnyRelaxation:
        """A frozen dataclass that is a `Relaxation`."""
        RELAXATIONS[_part_name(kind, Relaxation)] = kind
        return kind

    def penalty(self, kind: AnyPenalty) -> AnyPenalty:
        """A frozen dataclass that is a `Penalty`."""
        PENALTIES[_part_name(kind, Penalty)] = kind
        return kind

    def selection(self, name: str) -> Callable[[AnySelection], AnySelection]:
        """A frozen dataclass that is a `Selection`, for ``--selection NAME``."""

        def known(kind: AnySelection) -> AnySelection:
            _refuse_taken("selection", name, SELECTIONS)
            _part_name(kind, Selection)
            SELECTIONS[name] = kind
            return kind

        return known

    def method(self, name: str) -> Callable[[AnyMethod], AnyMethod]:
        """A function without arguments that gives a `Method`, for ``--method NAME``."""

        def known(make: AnyMethod) -> AnyMethod:
            _refuse_taken("method", name, METHODS)
            METHODS[name] = make
            return make

        return known

    def data_set(
        self, name: str, *, shape: tuple[int, int, int], classes: int, flip: bool = True
    ) -> Callable[[AnyReader], AnyReader]:
        """A function of (data path, decoder) that reads a data set's `Parts`, for ``--dataset NAME``.

        Args:
            shape: (C, H, W) of its pictures.
            classes: how many there are.
            flip: whether a mirrored picture is still of its class.
        """

        def known(read: AnyReader) -> AnyReader:
            _refuse_taken("data set", name, KNOWN)
            KNOWN[name] = Facts(shape, classes, flip, read)
            return read

        return known

    def logger(self, name: str) -> Callable[[AnyOpener], AnyOpener]:
        """A class, or a function, of a `Logged` that gives a `Logger`, for ``--logger NAME``."""

        def known(opener: AnyOpener) -> AnyOpener:
            _refuse_taken("logger", name, LOGGERS)
            LOGGERS[name] = Known(opener)
            return opener

        return known


register = Register()


def _refuse_taken(what: str, name: str, table: Any, form: str = r"[A-Za-z][\w-]*") -> None:
    if name in table:
        raise InputError(f"there is a {what} {name} already: give yours another name")
    if not re.fullmatch(form, name):
        raise InputError(f"{shortened(name, 60)!r} cannot be the name of a {what}: give letters, digits, _ and -")


def _part_name(kind: type, base: type) -> str:
    """The name of a part of a method, under which its text is read again."""
    frozen = is_dataclass(kind) and getattr(kind, "__dataclass_params__").frozen  # noqa: B009 -- typeshed has it not
    if not (isinstance(kind, type) and issubclass(kind, base) and frozen):
        raise InputError(f"{kind!r} is no frozen dataclass that is a {base.__name__}")
    _refuse_taken("part of a method", kind.__name__, parts(), r"[A-Za-z]\w*")
    return kind.__name__


def load(names: Sequence[str]) -> None:
    """Run plugins, each once in a process: files ending in .py, or names of entry points.

    Raises:
        InputError: there is no such file or entry point, or it cannot be imported; it says why.
    """
    for name in names:
        _load_file(Path(name)) if name.endswith(".py") else _load_entry_point(name)


def fingerprints(names: Sequence[str]) -> dict[str, str]:
    """What plugins are, as far as they are there: a file by the SHA-256 of its content, a package by its version.

    What a file imports or reads is not looked at, nor what has changed in a package whose version has not.
    """
    found = {name: _of_file(Path(name)) if name.endswith(".py") else _of_package(name) for name in names}
    return {name: is_now for name, is_now in found.items() if is_now is not None}


def _of_file(file: Path) -> str | None:
    try:
        return f"sha256 {sha256(files.read_bytes(file)).hexdigest()}"
    except OSError:
        return None


def _of_package(name: str) -> str | None:
    package = point.dist if (point := _entry_points().get(name)) else None
    return f"{package.name} {package.version}" if package else None


class _ReadAnew(SourceFileLoader):
    """A file as it is now: Python would tell what it keeps compiled by size and second, and keep it beside the file."""

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


def _load_file(file: Path) -> None:
    if not file.is_file():
        raise InputError(f"-plugin {shortened(file)}: there is no such file")
    place = file.resolve()
    # Its classes find their annotations by this name, and a second run of the file would register all twice.
    module_name = f"dadarts_plugin_{sha256(str(place).encode()).hexdigest()[:16]}"
    if module_name in sys.modules:
        return
    loader = _ReadAnew(module_name, str(place))
    spec = ModuleSpec(module_name, loader, origin=str(place))
    spec.has_location = True
    module = sys.modules[module_name] = importlib.util.module_from_spec(spec)
    try:
        loader.exec_module(module)
    except InputError:
        del sys.modules[module_name]
        raise
    except (Exception, SystemExit) as error:
        del sys.modules[module_name]
        raise InputError(f"-plugin {shortened(file)} cannot be imported: {type(error).__name__}: {error}") from error


def _entry_points() -> dict[str, EntryPoint]:
    return {point.name: point for point in importlib.metadata.entry_points(group=GROUP)}


def _load_entry_point(name: str) -> None:
    found = _entry_points()
    if name not in found:
        there = f" ({', '.join(sorted(found))})" if found else ", of which none is installed"
        raise InputError(
            f"-plugin {shortened(name, 60)}: give a file that ends in .py, or an entry point of {GROUP}{there}"
        )
    try:
        found[name].load()
    except InputError:
        raise
    except (Exception, SystemExit) as error:
        raise InputError(f"-plugin {name} cannot be imported: {type(error).__name__}: {error}") from error
