"""Kernels of the supernet in C++, compiled on the machine that runs them."""

from dadarts.native.build import NoCompilerError, library
from dadarts.native.kernels import Kernels, Window

__all__ = ["Kernels", "NoCompilerError", "Window", "library"]
