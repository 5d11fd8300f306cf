"""Genotypes that papers have published, by the names that their authors' code gives them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

PUBLISHED: Mapping[str, str] = MappingProxyType(
    {
        # First and second order: arXiv 1806.09055, github.com/quark0/darts, cnn/genotypes.py.
        "DARTS_V1": (
            "Genotype(normal=[[('sep_conv_3x3', 1), ('sep_conv_3x3', 0)], [('skip_connect', 0), ('sep_conv_3x3', "
            "1)], [('skip_connect', 0), ('sep_conv_3x3', 1)], [('sep_conv_3x3', 0), ('skip_connect', 2)]], "
            "normal_concat=[2, 3, 4, 5], reduce=[[('max_pool_3x3', 0), ('max_pool_3x3', 1)], [('skip_connect', 2), "
            "('max_pool_3x3', 0)], [('max_pool_3x3', 0), ('skip_connect', 2)], [('skip_connect', 2), "
            "('avg_pool_3x3', 0)]], reduce_concat=[2, 3, 4, 5])"
        ),
        "DARTS_V2": (
            "Genotype(normal=[[('sep_conv_3x3', 0), ('sep_conv_3x3', 1)], [('sep_conv_3x3', 0), ('sep_conv_3x3', "
            "1)], [('sep_conv_3x3', 1), ('skip_connect', 0)], [('skip_connect', 0), ('dil_conv_3x3', 2)]], "
            "normal_concat=[2, 3, 4, 5], reduce=[[('max_pool_3x3', 0), ('max_pool_3x3', 1)], [('skip_connect', 2), "
            "('max_pool_3x3', 1)], [('max_pool_3x3', 0), ('skip_connect', 2)], [('skip_connect', 2), "
            "('max_pool_3x3', 1)]], reduce_concat=[2, 3, 4, 5])"
        ),
        # arXiv 1904.12760, github.com/chenxin061/pdarts, genotypes.py.
        "PDARTS": (
            "Genotype(normal=[[('skip_connect', 0), ('dil_conv_3x3', 1)], [('skip_connect', 0), ('sep_conv_3x3', "
            "1)], [('sep_conv_3x3', 1), ('sep_conv_3x3', 3)], [('sep_conv_3x3', 0), ('dil_conv_5x5', 4)]], "
            "normal_concat=[2, 3, 4, 5], reduce=[[('avg_pool_3x3', 0), ('sep_conv_5x5', 1)], [('sep_conv_3x3', 0), "
            "('dil_conv_5x5', 2)], [('max_pool_3x3', 0), ('dil_conv_3x3', 1)], [('dil_conv_3x3', 1), "
            "('dil_conv_5x5', 3)]], reduce_concat=[2, 3, 4, 5])"
        ),
        # arXiv 1907.05737, github.com/yuhuixu1993/PC-DARTS, genotypes.py.
        "PC_DARTS_cifar": (
            "Genotype(normal=[[('sep_conv_3x3', 1), ('skip_connect', 0)], [('sep_conv_3x3', 0), ('dil_conv_3x3', "
            "1)], [('sep_conv_5x5', 0), ('sep_conv_3x3', 1)], [('avg_pool_3x3', 0), ('dil_conv_3x3', 1)]], "
            "normal_concat=[2, 3, 4, 5], reduce=[[('sep_conv_5x5', 1), ('max_pool_3x3', 0)], [('sep_conv_5x5', 1), "
            "('sep_conv_5x5', 2)], [('sep_conv_3x3', 0), ('sep_conv_3x3', 3)], [('sep_conv_3x3', 1), "
            "('sep_conv_3x3', 2)]], reduce_concat=[2, 3, 4, 5])"
        ),
    }
)
"""Found on CIFAR-10, in the darts space, each in the text form of a `Genotype`."""
