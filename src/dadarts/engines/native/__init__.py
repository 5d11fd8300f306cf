"""Kernels of the supernet in C++, compiled on the machine that runs them."""

from dadarts.engines.native.build import NoCompilerError, library
from dadarts.engines.native.kernels import Kernels
from dadarts.engines.native.window import DILATIONS, KERNELS, STRIDES, Window

__all__ = ["DILATIONS", "KERNELS", "STRIDES", "Kernels", "NoCompilerError", "Window", "library"]
