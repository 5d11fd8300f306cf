"""Data sets: found or downloaded, checked, split, augmented, and given out in batches."""

from dadarts.data.augment import Augmentation
from dadarts.data.class_folders import Choices
from dadarts.data.loader import Batch, Loader
from dadarts.data.loading import load
from dadarts.data.pictures import Chosen, DataRequest, DataSet, InMemory, Pictures
from dadarts.data.preparation import Preparation
from dadarts.data.registry import KNOWN, Facts
from dadarts.data.split import hold_out, stratified_halves, stratified_part
from dadarts.data.values import ValueRange

__all__ = [
    "KNOWN",
    "Augmentation",
    "Batch",
    "Choices",
    "Chosen",
    "DataRequest",
    "DataSet",
    "Facts",
    "InMemory",
    "Loader",
    "Pictures",
    "Preparation",
    "ValueRange",
    "hold_out",
    "load",
    "stratified_halves",
    "stratified_part",
]
