"""Compiles the kernels with the machine's C++ compiler, once, into the user's cache directory.

The file's name carries a hash of the source, the compiler and the processor, so that a home directory which several
kinds of machines share holds one library for each, and a new release never loads an old one. Behind it stands the hash
of what the compiler made: loading a library that has been cut short kills the process.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import platform
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import platformdirs
import torch

from dadarts import files

SOURCE = Path(__file__).with_name("kernels.cpp")
_FLAGS = ("-O3", "-std=c++17", "-fPIC", "-shared")
_THIS_PROCESSOR = ("-march=native", "-mcpu=native")
"""How compilers are told to use all that the processor has; on Arm some clang know only the second."""
_TIMEOUT_S = 300
_log = logging.getLogger(__name__)


class NoCompilerError(Exception):
    """There is no C++ compiler, or it cannot build the kernels; the message says which and why."""


def library(source: Path = SOURCE) -> ctypes.CDLL:
    """The compiled kernels, or another source that is made of the same parts; tried once in a process.

    Raises:
        NoCompilerError: they cannot be built here.
    """
    found = tried(source)
    if isinstance(found, NoCompilerError):
        raise NoCompilerError(*found.args)
    return found


@cache
def tried(source: Path) -> ctypes.CDLL | NoCompilerError:
    """The library of a source, or why there is none: half a dozen compilations may have told that."""
    try:
        return _made(source)
    except NoCompilerError as error:
        return error


def _made(source: Path) -> ctypes.CDLL:
    compiler = _compiler()
    name, folder = _name(compiler, source), _folder()
    try:
        found = _found(folder, name)
        # In the same process as torch there must be one OpenMP: the name is resolved by what torch has loaded.
        return ctypes.CDLL(str(_compile(compiler, source, folder / name) if found is None else found))
    except OSError as error:
        # The cache cannot be written, or nothing may be run from there.
        raise NoCompilerError(f"native kernels cannot be kept in {folder} ({error.strerror or error})") from None


def called(source: Path = SOURCE) -> str:
    """What a source's library is called here: processor, compiler and sources decide; nothing is compiled.

    Raises:
        NoCompilerError: there is no compiler.
    """
    return _name(_compiler(), source)


def is_compiled(source: Path = SOURCE) -> bool:
    """Whether `library` has only to load what it gives."""
    try:
        return _found(_folder(), _name(_compiler(), source)) is not None
    except (NoCompilerError, OSError):
        return False


def _name(compiler: list[str], source: Path) -> str:
    try:
        return f"{source.stem}-{_fingerprint(compiler, source)}"
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoCompilerError(f"{' '.join(compiler)} cannot be run ({error})") from None


def _found(folder: Path, name: str) -> Path | None:
    """A whole library of that name; others are removed."""
    for path in sorted(folder.glob(f"{name}-*.so")):
        with suppress(OSError):
            if _is_whole(path):
                return path
            # Cut short by a full disk or a power failure.
            path.unlink()
    return None


def _is_whole(path: Path) -> bool:
    """Whether a library is what the compiler made, byte for byte."""
    return path.is_file() and path.stem.endswith(f"-{_hash_of(path)}")


def _hash_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _compiler() -> list[str]:
    try:
        named = shlex.split(os.environ.get("CXX", ""))
    except ValueError as error:
        raise NoCompilerError(f"CXX names no C++ compiler: {str(error).lower()} in {os.environ['CXX'][:80]}") from None
    if named:
        if shutil.which(named[0]):
            return named
        raise NoCompilerError(f"no C++ compiler {named[0]}, which CXX names")
    for name in ("c++", "g++", "clang++"):
        if found := shutil.which(name):
            return [found]
    raise NoCompilerError("no C++ compiler (c++, g++ or clang++; CXX names another)")


def _folder() -> Path:
    return Path(platformdirs.user_cache_dir("dadarts")) / "native"


def _fingerprint(compiler: list[str], source: Path) -> str:
    answer = subprocess.run([*compiler, "--version"], capture_output=True, check=False, timeout=30)  # noqa: S603
    digest = hashlib.sha256()
    headers = {header for folder in (SOURCE.parent, source.parent) for header in folder.glob("*.hpp")}
    for part in (source, *sorted(headers)):
        digest.update(part.read_bytes())
    about = (*compiler, *_FLAGS, *_THIS_PROCESSOR, platform.machine(), _processor(), str(_openmp()))
    digest.update(" ".join(about).encode())
    digest.update(answer.stdout)
    return digest.hexdigest()[:16]


def _processor() -> str:
    """Model and instruction sets, where the system tells: -march=native depends on them."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() + platform.node()
    return "\n".join(dict.fromkeys(line for line in lines if line.startswith(("model name", "flags", "Features"))))


def _openmp() -> Path | None:
    """The OpenMP runtime that torch ships, for the kernels to use the same one."""
    return next(iter(sorted((Path(torch.__file__).parent / "lib").glob("libgomp*.so*"))), None)


def _compile(compiler: list[str], source: Path, stem: Path) -> Path:
    """Compiles a source to a library whose name begins so."""
    place = stem.parent
    place.mkdir(parents=True, exist_ok=True)
    _log.info("compiling the native kernels with %s: up to a minute, once", " ".join(compiler))
    with TemporaryDirectory(dir=place) as folder:
        made = Path(folder) / source.with_suffix(".so").name
        for command in _commands(compiler, source, made):
            try:
                answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S)  # noqa: S603
            except (OSError, subprocess.TimeoutExpired) as error:
                raise NoCompilerError(f"{' '.join(compiler)}: {error}") from None
            if answer.returncode == 0:
                if "-fopenmp" not in command:
                    _log.warning("%s has no OpenMP: native kernels compute in one thread", " ".join(compiler))
                # Several processes may compile at once: what each has made is whole, and any of them will do.
                library = place / f"{stem.name}-{_hash_of(made)}.so"
                files.put(made, library)
                return library
    first = next((line for line in answer.stderr.splitlines() if "error" in line), answer.stderr[:200])
    raise NoCompilerError(f"{' '.join(compiler)} cannot build the kernels: {first.strip()}")


def _commands(compiler: list[str], source: Path, made: Path) -> Iterator[list[str]]:
    """What to try in turn: a compiler that knows no OpenMP makes kernels of one thread, as Apple's clang does.

    Flags that stand in `CXX` are repeated behind ours, where they count: ``CXX="g++ -march=haswell"``.
    """
    runtime = _openmp()
    threads = ["-fopenmp"] if runtime is None else ["-fopenmp", str(runtime)]
    own = [word for word in compiler[1:] if word.startswith("-")]
    for parallel in (threads, []):
        for tuned in ([_THIS_PROCESSOR[0]], [_THIS_PROCESSOR[1]], []):
            yield [*compiler, *_FLAGS, *tuned, *own, str(source), "-o", str(made), *parallel]
