"""``dadarts export``: a training's network as a folder that others can use."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dadarts.cli import columns, configs, execute
from dadarts.cli.flags import Command, Flag, as_typed
from dadarts.cli.signals import StoppedEarlyError, stop_signals
from dadarts.rundir.contents import NETWORK

if TYPE_CHECKING:
    from dadarts.bundle.making import Bundle

COMMAND = Command(
    "dadarts export",
    "Write a trained network as a folder: weights, plain torch, ONNX, 8-bit integers, torch.export and a model card.",
    (
        Flag(
            ("out",), "output", "the folder to write, which appears when all is done (default: NAME-model)", usual=True
        ),
        Flag(("overwrite",), "output", "replace an earlier export there", boolean=True, usual=True),
        Flag(("json",), "output", "print JSON", boolean=True),
        Flag(("runs_dir",), "run", "where a training is looked up by its name", default="runs"),
        configs.PLUGIN,
    ),
    positionals=(("run", f"a training by its name or @NAME, its folder, or a {NETWORK.name}"),),
    notes="Every form is read again and compared with the network before the folder appears. model.onnx and "
    f"model.int8.onnx need the extra export: pip install 'dadarts[export]'. {Command.notes}",
)


def export(words: Sequence[str]) -> int:
    """Export as the words say."""
    values = COMMAND.parse(list(words))
    configs.load_plugins(values)
    overwrite, as_json = configs.truth("overwrite", values), configs.truth("json", values)
    try:
        with stop_signals():
            # Takes seconds to import, in which a signal is answered.
            execute.say_at_once()
            from dadarts.bundle import making

            bundle = making.export(
                values["run"],
                out=values.get("out"),
                runs_dir=values.get("runs_dir", "runs"),
                overwrite=overwrite,
                told=_say,
            )
    except StoppedEarlyError as stop:
        print("dadarts export: stopped; nothing was written", file=sys.stderr)
        return 128 + stop.number
    for file, why in bundle.left_out.items():
        _say(as_typed(f"there is no {file}: {why}", words))
    print(json.dumps(bundle.as_dict(), indent=1) if as_json else "\n".join(_lines(bundle)))
    return 0


def _say(line: str) -> None:
    print(f"dadarts export: {line}", file=sys.stderr)


def _lines(bundle: Bundle) -> list[str]:
    rows = [
        (each.form.file, f"{each.size:,} bytes", each.remark if each.difference is None else _agrees(each.difference))
        for each in bundle.files
    ]
    return [*columns.rows(rows, (30, 30), (False, True)), str(bundle.folder)]


def _agrees(difference: float) -> str:
    return "as the network" if difference == 0 else f"as the network, to {difference:.0e}"
