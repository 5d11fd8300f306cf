"""model.py: the network as one file that people can read, edit and run, without dadarts."""

from __future__ import annotations

import importlib.util
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import fill
from types import ModuleType
from typing import Any

from torch import Tensor

from dadarts import files
from dadarts.bundle.form import Answer, Form
from dadarts.bundle.source import arrays, classifier, layers, pictures
from dadarts.bundle.spelled.network import classes_of
from dadarts.bundle.subject import Subject

_WIDTH = 120
_IMPORTS = (
    *("import io", "import json", "import os", "import re", "import sys"),
    *("from collections import OrderedDict", "from collections.abc import Iterable", "from hashlib import blake2b"),
    *("from pathlib import Path", "from typing import Any"),
    "",
    *("import numpy as np", "import torch", "import torch.nn.functional as F"),
    *("from PIL import Image, ImageOps", "from torch import Tensor, nn"),
)


def write(subject: Subject, folder: Path) -> str:
    """Write the file.

    Raises:
        LeftOutError: the network has an operation whose source is not ours.
    """
    files.write_text(folder / FORM.file, source_of(subject))
    return "needs torch, numpy and pillow"


def source_of(subject: Subject) -> str:
    """The whole file."""
    network = classes_of(subject.network.network)
    reading = pictures if subject.network.image_shape[0] in (1, 3) else arrays
    parts = [
        *_layers(network),
        network,
        *_parts(reading),
        *_parts(classifier),
        'if __name__ == "__main__":\n    sys.exit(main(sys.argv[1:]))',
    ]
    body = "\n\n\n".join(parts)
    constants = _constants(subject)
    return "\n".join([_head(subject), *_imports(body), "", constants, "", "", body, ""])


def _head(subject: Subject) -> str:
    channels, height, width = subject.network.image_shape
    genotype = fill(f"Genotype: {subject.network.genotype}", _WIDTH, subsequent_indent="    ")
    size = f"{channels}x{height}x{width} (channels, height, width)"
    return f'''"""A network that tells {len(subject.network.classes)} classes of pictures of {size} apart.

Found and trained by dadarts; needs torch, numpy and pillow, and model.safetensors beside it.

    python model.py PICTURES                 # the class of each picture, and its probability
    model = load()                           # from model import load
    model.predict_proba(pictures)            # of a tensor, uint8 (B, C, H, W)

{genotype}
"""

from __future__ import annotations
'''


def _constants(subject: Subject) -> str:
    network = subject.network
    # The digits that float32 needs to be read back as it was.
    mean, std = ([f"{value:.9g}" for value in values.flatten().tolist()] for values in (network.mean, network.std))
    limits = network.preparation.value_range
    return "\n".join(
        [
            _tuple("CLASSES", [json.dumps(name, ensure_ascii=False) for name in network.classes]),
            f"SHAPE = {network.image_shape!r}",
            "# Of every channel, pixels from 0 to 1.",
            _tuple("MEAN", mean),
            _tuple("STD", std),
            "# What is black and white in pictures of more than 8 bits; None: the range of their type.",
            f"VALUE_RANGE = {None if limits is None else tuple(limits)!r}",
        ]
    )


def _tuple(name: str, items: list[str]) -> str:
    """Some constants in a line, or where that would be too long in a line each."""
    line = f"{name} = ({', '.join(items)}{',' * (len(items) == 1)})"
    return line if len(line) <= _WIDTH else f"{name} = (\n" + "".join(f"    {item},\n" for item in items) + ")"


def _imports(body: str) -> list[str]:
    """The imports of which the rest uses a name."""
    return [line for line in _IMPORTS if not line or any(_is_used(name, body) for name in _names(line))]


def _is_used(name: str, body: str) -> bool:
    # In quotes it is a mode of pictures.
    return re.search(rf"(?<![\w\"'])\b{name}\b", body) is not None


def _names(line: str) -> list[str]:
    return [part.split(" as ")[-1].strip() for part in line.partition("import ")[2].split(",")]


def _layers(network: str) -> Iterator[str]:
    """The layers that a network uses, each behind those that it uses itself."""
    sources = {each.__name__: inspect.getsource(each).rstrip() for each in _defined(layers)}
    wanted = {name for name in sources if re.search(rf"\b{name}\(", network)}
    wanted |= {name for name in sources for user in wanted if re.search(rf"\b{name}\(", sources[user])}
    yield from (source for name, source in sources.items() if name in wanted)


def _parts(module: ModuleType) -> Iterator[str]:
    """Its constants, and its functions and classes as they stand."""
    text = inspect.getsource(module)
    if constants := re.search(r"^(?:[A-Z_]+ = |# ).*?(?=\n\n\n)", text, re.DOTALL | re.MULTILINE):
        yield constants[0].rstrip()
    yield from (inspect.getsource(each).rstrip() for each in _defined(module))


def _defined(module: ModuleType) -> list[Callable[..., Any]]:
    found = [each for each in vars(module).values() if getattr(each, "__module__", None) == module.__name__]
    return sorted(found, key=lambda each: inspect.getsourcelines(each)[1])


def opened(folder: Path, threads: int) -> Answer:
    """What the file beside the weights answers."""
    name = f"dadarts_exported_{abs(hash(folder))}"
    spec = importlib.util.spec_from_file_location(name, folder / FORM.file)
    assert spec is not None and spec.loader is not None  # noqa: S101, PT018 -- of a file that ends in .py there is one
    module = importlib.util.module_from_spec(spec)
    without_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = without_bytecode
    model = module.load()

    def answer(given: Tensor) -> Tensor:
        probabilities: Tensor = model.predict_proba(given)
        return probabilities

    return answer


FORM = Form("model.py", "the network in plain torch: read it, edit it, or run it on pictures", write, opened)
