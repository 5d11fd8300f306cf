"""A trained network as a folder that others can use: with dadarts, with torch alone, or with neither."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dadarts import files
from dadarts.bundle import card, described, int8, latency, onnx_file, program, script, weights
from dadarts.bundle.folder import appearing, check, digests
from dadarts.bundle.form import Form, LeftOutError, Written
from dadarts.bundle.subject import Subject, subject_of
from dadarts.errors import RunError
from dadarts.machine import cores
from dadarts.rundir.called import fit_ending_with
from dadarts.rundir.lookup import network_file

FORMS: tuple[Form, ...] = (weights.FORM, script.FORM, program.FORM, onnx_file.FORM, int8.FORM)
"""What a bundle has, in the order in which it is written."""
TOLERANCE = 1e-5
"""How far a probability of an exact form may be from the network's."""


@dataclass(frozen=True)
class Bundle:
    """What an export has left.

    Args:
        folder: where.
        files: the forms in it.
        left_out: files that there are none of, and why.
    """

    folder: Path
    files: tuple[Written, ...]
    left_out: Mapping[str, str]

    def as_dict(self) -> dict[str, Any]:
        """As JSON values."""
        written = [
            {
                "file": each.form.file,
                "bytes": each.size,
                "difference": each.difference,
                "holds": each.form.holds,
                "remark": each.remark,
            }
            for each in self.files
        ]
        return {"folder": str(self.folder), "files": written, "left_out": dict(self.left_out)}


def export(
    run: str | Path,
    *,
    out: str | Path | None = None,
    runs_dir: str | Path = "runs",
    overwrite: bool = False,
    told: Callable[[str], None] = lambda _: None,
) -> Bundle:
    """Write a training's network as a folder: weights, plain torch, ONNX, 8-bit integers, torch.export, a model card.

    Every form is read again and compared with the network before the folder appears.

    Args:
        run: a training by its name (``NAME`` or ``@NAME``), its folder, or a ``model.safetensors``.
        out: the folder; where none is given ``NAME-model``, by the name of the run, here.
        runs_dir: where a training of that name is looked for.
        overwrite: whether an earlier export there is replaced.
        told: called with what is being done.

    Raises:
        InputError: there is no such network, or something else is in the folder.
        RunError: the disk is full, or a form does not answer what the network answers; nothing was written.
    """
    # A folder that is taken is said before anybody waits, but no sooner than that there is no such run.
    trained = network_file(run, Path(runs_dir))
    place = Path(f"{_named(run, trained)}-model" if out is None else out)
    check(place, overwrite)
    subject = subject_of(run, Path(runs_dir))
    written: list[Written] = []
    left_out: dict[str, str] = {}
    with appearing(place, overwrite) as folder:
        for form in FORMS:
            told(f"writing {form.file}")
            try:
                written.append(_written(form, subject, folder))
            except LeftOutError as why:
                left_out[form.file] = " ".join(str(why).split())
        latencies = latency.measured([each.form for each in written], folder, subject.network.image_shape, told)
        name = place.absolute().name if subject.saved is None else _named(run, trained)
        for file in card.FILES:
            files.write_text(folder / file, card.text(subject, name, written, left_out, latencies))
        document = json.dumps(described.config(subject) | {"files": digests(folder)}, indent=1, ensure_ascii=False)
        files.write_text(folder / described.FILE, f"{document}\n")
    return Bundle(place, tuple(written), left_out)


def _named(run: str | Path, file: Path) -> str:
    """What a person calls the run of a network's file: by its name, else by its folder, of a fit the fit's."""
    if isinstance(run, str) and "/" not in run and not Path(run).exists():
        return run.removeprefix("@")
    folder = file.absolute().parent
    return (fit_ending_with(folder) or folder).name


def _written(form: Form, subject: Subject, folder: Path) -> Written:
    remark = form.write(subject, folder)
    difference = None
    if form.exact:
        expected = subject.network.predict_proba(subject.compared)
        difference = float((form.opened(folder, cores())(subject.compared) - expected).abs().max())
        if not difference <= TOLERANCE:
            raise RunError(
                f"{form.file} gives probabilities that differ by {difference:.1e} from the network's; this is a fault "
                "of dadarts or of a package, and nothing was written"
            )
    return Written(form, (folder / form.file).stat().st_size, difference, remark)
