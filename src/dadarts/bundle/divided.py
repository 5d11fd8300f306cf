"""How the pictures of a training were divided: what tested its network, and what chose it."""

from __future__ import annotations

from collections.abc import Iterator

from dadarts.bundle.subject import Subject
from dadarts.data import DataSet
from dadarts.data.listing import HELD_OUT
from dadarts.rundir.called import fit_ending_with, judged_by

_TEST = "test part: "
"""What the remark of a data set begins with that says how its test part came about."""


def sentences(subject: Subject) -> Iterator[str]:
    """Sentences on the test part and the validation part, a line each; none where no run is known."""
    if subject.saved is None:
        return
    if subject.data is not None:
        yield f"Test part: {_of_test(subject.data)}"
    settings, folder = subject.saved.settings, subject.file.parent
    held = judged_by(folder)
    if held is not None:
        yield (
            f"Validation part: {held:,} of the training pictures, as large a share of each class, held out by seed "
            f"{settings.get('seed')}; candidates were chosen by it, and the network was then trained anew on all."
        )
    elif settings.get("valid_fraction"):
        yield (
            f"Validation part: {settings['valid_fraction']:.3g} of each class of the training pictures, held out by "
            f"seed {settings.get('seed')}; the epoch that is kept was chosen by it."
        )
    elif fit_ending_with(folder) is not None:
        yield "There was no validation part: nothing was chosen by scores, and the network was trained on all."


def _of_test(data: DataSet) -> str:
    if HELD_OUT in data.remarks:
        return f"{HELD_OUT.removeprefix(_TEST)}. No training picture is in it, and nothing was chosen by it."
    found = (remark.removeprefix(_TEST) for remark in data.remarks if remark.startswith(_TEST))
    where = next(found, "the one that the data set comes with")
    return f"{where}. Nothing was chosen by it; whether training pictures are in it, too, was not looked at."
