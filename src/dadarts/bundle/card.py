"""The model card: what the network is, what it was measured to do, and what it is not for."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from dadarts.architecture.costs import count_costs
from dadarts.bundle import again, described, divided
from dadarts.bundle.form import Written
from dadarts.bundle.latency import BATCHES, SECONDS, Latency
from dadarts.bundle.subject import COMPARED, Subject
from dadarts.rundir.called import called
from dadarts.training.intervals import wilson
from dadarts.training.metrics import Assessment

FILES = ("card.md", "README.md")
"""The card, and where Hugging Face looks for it."""
_SHOWN = 100
"""Classes whose scores a card lists."""
_TOLD = ("epochs", "batch_size", "lr", "weight_decay", "drop_path_prob", "aux_weight", "cutout_length", "class_weights")


def text(
    subject: Subject, name: str, written: Sequence[Written], left_out: Mapping[str, str], latencies: Sequence[Latency]
) -> str:
    """The card of a bundle in a folder of that name.

    Args:
        left_out: forms that there are none of, and why.
    """
    sections = [
        _front(subject, name),
        _title(subject, name),
        _files(written, left_out),
        _data(subject),
        _results(subject),
        _cost(subject, latencies),
        _training(subject, name),
        _limits(subject),
    ]
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


def _front(subject: Subject, name: str) -> Iterator[str]:
    """What Hugging Face reads; a JSON text is one in YAML too."""
    yield from ("---", "library_name: dadarts", "pipeline_tag: image-classification")
    yield "tags: [image-classification, neural-architecture-search, dadarts, onnx]"
    if subject.metrics is not None:
        data = json.dumps(again.data_name(subject))
        yield from ("model-index:", f"- name: {json.dumps(name)}", "  results:", "  - task:")
        yield from ("      type: image-classification", "    dataset:", f"      name: {data}", f"      type: {data}")
        yield from ("    metrics:", *_front_metrics(subject.metrics))
    yield "---"


def _front_metrics(metrics: Mapping[str, Any]) -> Iterator[str]:
    """Scores by their names on Hugging Face; those from before there was an assessment have the accuracy alone."""
    named = (
        ("accuracy", "Accuracy", "test_top1"),
        ("balanced_accuracy", "Balanced accuracy", "balanced_accuracy"),
        ("f1", "Macro F1", "macro_f1"),
    )
    for kind, name, key in named:
        if key in metrics:
            yield from (f"    - type: {kind}", f"      name: {name}", f"      value: {metrics[key]}")


def _title(subject: Subject, name: str) -> Iterator[str]:
    network, title = subject.network, called(subject.file.parent)
    channels, height, width = network.image_shape
    what = f"of the {network.genotype.syntax} kind" if title is None else f"({_plain(title)})"
    how = "found" if title is None else "chosen"
    yield from (f"# {_plain(name)}", "")
    yield (
        f"A network {what} that tells {len(network.classes)} classes of pictures of {channels}x{height}x{width} "
        f"(channels, height, width) apart, {how} and trained with dadarts."
    )


def _files(written: Sequence[Written], left_out: Mapping[str, str]) -> Iterator[str]:
    yield from ("## Files", "")
    rows = []
    for each in written:
        agrees = "" if each.difference is None else f"{each.difference:.1e}"
        rows.append((f"`{each.form.file}`", f"{each.size:,}", agrees, _sentence(each.form.holds, each.remark)))
    yield from _table(("file", "bytes", f"largest difference on {COMPARED} pictures", "what it is"), rows)
    for file, why in left_out.items():
        yield from ("", f"There is no `{file}`: {_plain(why)}.")
    yield from ("", "`python model.py PICTURES` prints a class and its probability for each picture. In Python:", "")
    yield from (
        "```python",
        "import dadarts",
        "",
        'print(dadarts.load("path/to/this/folder").predict_files("picture.png"))',
    )
    yield "```"


def _sentence(*parts: str) -> str:
    return _plain("; ".join(part for part in parts if part))


def _data(subject: Subject) -> Iterator[str]:
    yield from ("## Data", "")
    if subject.data is not None:
        yield f"{_plain(subject.data.described)}."
    elif subject.saved is not None:
        yield f"{_plain(again.data_name(subject))}; its pictures were not at hand when this was written."
    else:
        yield "Nothing is known of the pictures that it was trained on."
    yield from ("", *divided.sentences(subject))
    prepared = described.preparation(subject)
    yield from ("", "A picture is prepared so, in `model.py` and by `dadarts predict`; the files that take arrays take")
    yield (
        f"prepared pixels, {prepared['input']}, and scale and normalise them: turned by {prepared['orientation']}, "
        f"transparent pixels {prepared['transparent']}, mode {prepared['mode']}, resized ({prepared['resize']}) to "
        f"{prepared['size']['height']}x{prepared['size']['width']}. Values of more than 8 bits: "
        f"{_range(prepared['value_range'])}."
    )


def _range(limits: Sequence[float] | None) -> str:
    return (
        "the range of their type is black to white"
        if limits is None
        else f"{limits[0]:g} to {limits[1]:g} is black to white"
    )


def _results(subject: Subject) -> Iterator[str]:
    yield from ("## Results", "")
    if subject.metrics is None:
        yield "Nothing was measured."
        return
    if "test_top1_interval" not in subject.metrics:
        yield f"Accuracy on the test part {subject.metrics['test_top1']:.2%}."
        return
    found = Assessment.model_validate(subject.metrics)
    low, high = found.test_top1_interval
    yield f"On the {found.test_pictures:,} pictures of the test part, read once, at the end:"
    yield ""
    rows = [
        ("accuracy", f"{subject.metrics['test_top1']:.2%}, 95 % interval {low:.1%} to {high:.1%} (Wilson)"),
        ("balanced accuracy", f"{found.balanced_accuracy:.1%}{_to(found.balanced_accuracy_interval, '.1%')}"),
        ("macro F1", f"{found.macro_f1:.3f}{_to(found.macro_f1_interval, '.3f')}"),
        ("log loss", f"{found.log_loss:.3f}"),
        *([] if found.auc is None else [("AUC", f"{found.auc:.3f}")]),
        ("always answering the most frequent class", f"{found.majority_baseline:.1%} ({_plain(found.majority_class)})"),
    ]
    yield from (*_table(("measure", "value"), rows), "")
    scores = []
    for score in found.classes[:_SHOWN]:
        recall = "-"
        if score.support:
            first, last = wilson(round(score.recall * score.support), score.support)
            recall = f"{score.recall:.1%} ({first:.0%} to {last:.0%})"
        scores.append((_plain(score.name), f"{score.support:,}", recall, f"{score.precision:.1%}", f"{score.f1:.3f}"))
    yield from _table(("class", "test pictures", "recall (95 % interval)", "precision", "F1"), scores)
    if len(found.classes) > _SHOWN:
        yield from ("", f"And {len(found.classes) - _SHOWN:,} classes more.")


def _to(interval: tuple[float, float] | None, spec: str) -> str:
    return "" if interval is None else f", 95 % interval {interval[0]:{spec}} to {interval[1]:{spec}}"


def _cost(subject: Subject, latencies: Sequence[Latency]) -> Iterator[str]:
    costs = count_costs(subject.network.genotype, subject.network.network.macro)
    yield from ("## Cost", "")
    yield f"{costs.parameters:,} parameters, {costs.multiply_adds:,} multiply-adds a picture."
    how = "the median of several, or a single one where that is slow (a busy machine takes longer)"
    yield from ("", f"Milliseconds a batch on {_machine()}, {how}:", "")
    heads = ("file", "threads", *(f"{batch} picture{'s' * (batch > 1)}" for batch in BATCHES))
    rows = [
        (f"`{each.form.file}`", str(each.threads), *("-" if ms is None else _shortly(ms) for ms in each.milliseconds))
        for each in latencies
    ]
    yield from _table(heads, rows)
    if any(None in each.milliseconds for each in latencies):
        yield from ("", f"What has a - was not measured: all measurements have {SECONDS:g} seconds together.")


def _machine() -> str:
    return f"{platform.machine()}, {platform.system()}"


def _training(subject: Subject, run: str) -> Iterator[str]:
    yield from ("## Training", "", f"Genotype: `{subject.network.genotype}`", "")
    if subject.saved is not None:
        settings = subject.saved.settings
        told = ", ".join(f"{name} {settings[name]}" for name in _TOLD if settings.get(name) is not None)
        yield from (f"Seed {settings.get('seed')}; {told}.", "")
        yield from again.commands(subject.saved, subject.file.parent, run)
        then = {name: subject.saved.versions.get(name) for name in ("dadarts", "torch", "python", "device")}
        yield f"Trained with {', '.join(f'{name} {value}' for name, value in then.items() if value)}."
    now = ", ".join(f"{name} {number}" for name, number in described.versions().items())
    yield f"Written by `dadarts export` with {now}."


def _limits(subject: Subject) -> Iterator[str]:
    yield from ("## Limits", "")
    yield "- It answers with one of its classes whatever it is shown, also where the picture is of none of them."
    yield "- The figures are for pictures taken as those of the test part were; on others it may do much worse."
    yield "- Its probabilities have not been calibrated, and nothing was measured for groups of people or places."
    if subject.metrics is not None and not subject.metrics.get("beats_majority", True):
        yield "- Its accuracy does not significantly beat always answering the most frequent class."
    if subject.draws:
        yield "- It draws noise, so what it says of a picture depends on the picture's place in the batch."


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)


def _plain(given: Any) -> str:
    """Text of somebody's that ends no line and no column, and is no markup."""
    shown = " ".join(str(given).split())
    return "".join(f"\\{sign}" if sign in "|<>[]*_#\\" else sign for sign in shown)


def _shortly(milliseconds: float) -> str:
    """Three digits, without an exponent.

    >>> _shortly(0.65432), _shortly(2423.4)
    ('0.654', '2,420')
    """
    return f"{float(f'{milliseconds:.3g}'):,g}"
