"""Compiles the kernels with the machine's C++ compiler, once, into the user's cache directory.

The file's name carries a hash of the source, the compiler and the processor, so that a home directory which several
kinds of machines share holds one library for each, and a new release never loads an old one.
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
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import platformdirs
import torch

SOURCE = Path(__file__).with_name("kernels.cpp")
_FLAGS = ("-O3", "-march=native", "-std=c++17", "-fPIC", "-shared")
_TIMEOUT_S = 300
_log = logging.getLogger(__name__)


class NoCompilerError(Exception):
    """There is no C++ compiler, or it cannot build the kernels; the message says which and why."""


@cache
def library() -> ctypes.CDLL:
    """The compiled kernels.

    Raises:
        NoCompilerError: they cannot be built here.
    """
    compiler = _compiler()
    try:
        path = _folder() / f"kernels-{_fingerprint(compiler)}.so"
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoCompilerError(f"{' '.join(compiler)} cannot be run ({error})") from None
    try:
        if path.exists():
            with suppress(OSError):  # cut short by a full disk or a power failure: compiled once more
                return ctypes.CDLL(str(path))
        _compile(compiler, path)
        # In the same process as torch there must be one OpenMP: the name is resolved by what torch has loaded.
        return ctypes.CDLL(str(path))
    except OSError as error:
        # The cache cannot be written, or nothing may be run from there.
        raise NoCompilerError(f"native kernels cannot be kept in {path.parent} ({error.strerror or error})") from None


def _compiler() -> list[str]:
    named = shlex.split(os.environ.get("CXX", ""))
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


def _fingerprint(compiler: list[str]) -> str:
    answer = subprocess.run([*compiler, "--version"], capture_output=True, check=False, timeout=30)  # noqa: S603
    digest = hashlib.sha256()
    for source in sorted(SOURCE.parent.glob("*.[ch]pp")):
        digest.update(source.read_bytes())
    digest.update(" ".join((*compiler, *_FLAGS, platform.machine(), _processor(), str(_openmp()))).encode())
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


def _compile(compiler: list[str], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    _log.info("compiling the native kernels with %s: up to a minute, once", " ".join(compiler))
    runtime = _openmp()
    with TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder) / "kernels.so"
        plain = [*compiler, *_FLAGS, str(SOURCE), "-o", str(made)]
        threaded = [*plain, "-fopenmp"] if runtime is None else [*plain, "-fopenmp", str(runtime)]
        # A compiler without OpenMP gives kernels of one thread.
        for command in (threaded, plain):
            try:
                answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S)  # noqa: S603
            except (OSError, subprocess.TimeoutExpired) as error:
                raise NoCompilerError(f"{' '.join(compiler)}: {error}") from None
            if answer.returncode == 0:
                made.replace(path)
                return
    first = next((line for line in answer.stderr.splitlines() if "error" in line), answer.stderr[:200])
    raise NoCompilerError(f"{' '.join(compiler)} cannot build the kernels: {first.strip()}")
