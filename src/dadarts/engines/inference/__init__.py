"""Predictions of a discrete network in C++: batch norms folded, one call for a batch."""

from dadarts.engines.inference.choose import Inference
from dadarts.engines.inference.predictor import Predictor
from dadarts.engines.inference.program import SOURCE, Library

__all__ = ["SOURCE", "Inference", "Library", "Predictor"]
