"""The kernels on other processors than this one: ``python -m tests.engines.kernels [PROCESSOR ...]``.

Compiles `self_test.cpp`, a program without Python, for each of them and runs it, on Arm under an emulator. A processor
for which this machine has no compiler or no emulator is skipped, and said to be.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import dadarts.engines.native

SOURCE = Path(__file__).with_name("self_test.cpp")
KERNELS = Path(dadarts.engines.native.__file__).parent


@dataclass(frozen=True)
class Processor:
    """How the program is compiled for a processor and run on it.

    Args:
        compiler: and what it is told of the processor.
        emulator: that runs the program; empty where this machine does.
        package: that Debian has of what may be missing.
    """

    compiler: tuple[str, ...]
    emulator: tuple[str, ...] = ()
    package: str = "g++"

    def missing(self) -> str | None:
        """What this machine has not got."""
        programs = (*self.compiler[:1], *self.emulator[:1])
        return next((name for name in programs if shutil.which(name) is None), None)


PROCESSORS: Mapping[str, Processor] = {
    "avx512": Processor(("g++", "-march=skylake-avx512")),
    "avx2": Processor(("g++", "-march=haswell")),
    "sse2": Processor(("g++", "-march=x86-64")),
    "arm64": Processor(
        ("aarch64-linux-gnu-g++",),
        ("qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"),
        "g++-aarch64-linux-gnu and qemu-user",
    ),
}


def command_of(compiler: tuple[str, ...], *words: str) -> list[str]:
    """What compiles the program, warnings being errors."""
    return [*compiler, "-std=c++17", "-Wall", "-Wextra", "-Werror", f"-I{KERNELS}", str(SOURCE), *words]


def checked(name: str, folder: Path) -> bool:
    """Whether the kernels hold on a processor, or it is skipped."""
    processor = PROCESSORS[name]
    if (missing := processor.missing()) is not None:
        print(f"{name}: SKIPPED, no {missing} (Debian: {processor.package})")
        return True
    program = folder / name
    print(f"{name}: {' '.join(processor.compiler)}", flush=True)
    subprocess.run(command_of(processor.compiler, "-O2", "-fopenmp", "-o", str(program)), check=True)
    done = subprocess.run([*processor.emulator, str(program)], check=False)
    if done.returncode == -signal.SIGILL:
        print(f"{name}: SKIPPED, this machine's processor has no such instructions")
        return True
    print(f"{name}: {'held' if done.returncode == 0 else f'FAILED with {done.returncode}'}", flush=True)
    return done.returncode == 0


def main() -> int:
    """Check the processors that are named; all of them where none is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("processors", nargs="*", choices=[*PROCESSORS, []], default=list(PROCESSORS))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        failed = [name for name in args.processors if not checked(name, Path(folder))]
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
