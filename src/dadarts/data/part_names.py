"""Which names of folders and tables say that they are a part of a data set: train, test or validation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal

PartKind = Literal["train", "validation", "test"]

_WORDS: Mapping[PartKind, str] = {
    "train": "train|training|trn",
    "validation": "val|valid|validation|validate|validating|dev|development",
    "test": "test|testing|tst|eval|evaluation|evaluate|evaluating|holdout|heldout",
}
# None may be made of others (a dataset is data and a set): a row of them could else be read in exponentially many ways.
_AFFIXES = (
    "set|sets|data|image|images|img|imgs|picture|pictures|pics|photo|photos|split|part|folder|"
    "file|files|sample|samples|example|examples|subset|jpg|jpeg|png|label|labels|labelled|labeled|annotation|annotations"
)
_KINDS = {kind: re.compile(f"(?:{_AFFIXES})*(?:{words})(?:{_AFFIXES})*") for kind, words in _WORDS.items()}
_AFFIX = re.compile(f"(?:{_AFFIXES})+")


def part_of(name: str) -> PartKind | None:
    """The part that a name says, whatever its case, separators, numbers and affixes; None where it says none.

    >>> part_of("Train Data"), part_of("images_test"), part_of("val2017"), part_of("steam train")
    ('train', 'test', 'validation', None)
    """
    letters = re.sub(r"[\W\d_]+", "", name.lower())
    return next((kind for kind, pattern in _KINDS.items() if pattern.fullmatch(letters)), None)


def parts_among(names: Iterable[str]) -> dict[str, PartKind]:
    """The part of each name that says one, alone or together with the others.

    Names with the same words around a training and another part, as `seg_train` and `seg_test`, are parts; one of
    them alone, as `steam train`, is not.
    """
    given = list(names)
    parts = {name: part for name in given if (part := part_of(name))}
    alike: dict[tuple[str, ...], dict[str, PartKind]] = {}
    for name in given:
        if name not in parts and (split := _part_within(name)):
            alike.setdefault(split[1], {})[name] = split[0]
    for group in alike.values():
        if "train" in group.values() and len(set(group.values())) > 1:
            parts |= group
    return parts


def _part_within(name: str) -> tuple[PartKind, tuple[str, ...]] | None:
    """The part that one word of a name says, and its other words; None where not exactly one does."""
    words = [word.lower() for word in re.findall(r"[A-Z]?[^\W\d_A-Z]+|[A-Z]+(?![a-z])", name)]
    kinds = [kind for word in words if (kind := part_of(word))]
    if len(kinds) != 1:
        return None
    return kinds[0], tuple(word for word in words if not part_of(word) and not _AFFIX.fullmatch(word))
