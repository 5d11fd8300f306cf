"""Texts: genotypes, methods, literals, configurations and command lines."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from dadarts import main
from dadarts.architecture.genotype import Genotype
from dadarts.architecture.literal import parse
from dadarts.cli import configs
from dadarts.cli.flags import Command, flags_of
from dadarts.config import SearchConfig, TrainConfig
from dadarts.methods import catalogue
from dadarts.methods.text import parse_method
from tests.commands import BENCH_GENOTYPE, DARTS_GENOTYPE
from tests.fuzz import damage
from tests.fuzz.fuzzer import Fuzzer, command

_CELL = "[[('sep_conv_3x3', 0), ('skip_connect', 1)], [('max_pool_3x3', 0), ('dil_conv_3x3', 2)]]"
_GENOTYPES = (
    DARTS_GENOTYPE,
    BENCH_GENOTYPE,
    f"Genotype(normal={_CELL}, normal_concat=range(2, 4), reduce={_CELL}, reduce_concat=[2, 3])",
    json.dumps({"normal": [[["sep_conv_3x3", 0], ["skip_connect", 1]]], "normal_concat": [2]}),
    "(4, 0, 3, 1, 4, 3)",
    f"2018-06-27 13:25:46,379 genotype = {DARTS_GENOTYPE}",
)
_METHODS = (
    "TopK(edge=1, node=2, temperature=Linear(0, 200))",
    *(repr(make()) for make in (catalogue.dadarts, catalogue.gdas, catalogue.pc_darts, catalogue.dadarts_plus)),
)
_PIECES = (
    *("(", ")", "[", "]", "{", "}", ",", "=", "'", '"', "\\", "|", "~", "+", "-", ".", ":", " ", "\n", "\t", "\0", "#"),
    *("0", "1", "-1", "2", "9" * 30, "9" * 5000, "1e9", "1e999", "0.5", "nan", "inf", "True", "None", "0x1", "1_0"),
    *("sep_conv_3x3", "none", "Genotype", "TopK", "Linear", "lambda: 0", "__import__('os')", "é", "\u202e", "\ud800"),
    *("(" * 50, "[" * 5000, "((" * 20_000, "x" * 2000, "'" + "a" * 70_000 + "'", "-" * 100),
)


def _edited(draw: Random, text: str) -> str:
    """The text with words cut, moved, repeated, replaced or put in."""
    for _ in range(draw.choice([1, 1, 2, 3, 8])):
        begin = draw.randrange(len(text) + 1)
        end = min(len(text), begin + draw.choice([0, 1, 1, 3, 20, 200]))
        match draw.randrange(4):
            case 0:
                text = text[:begin] + text[end:]
            case 1:
                text = text[:end] + text[begin:end] * draw.choice([1, 1, 3, 400]) + text[end:]
            case _:
                text = text[:begin] + draw.choice(_PIECES) + text[end:]
    return text


def _text_of(texts: tuple[str, ...]) -> Callable[[Random, Path, Path], None]:
    def make(draw: Random, base: Path, folder: Path) -> None:
        text = draw.choice(texts)
        text = text if draw.random() < 0.1 else _edited(draw, text)
        (folder / "text").write_text(text, encoding="utf-8", errors="surrogatepass", newline="")

    return make


def _read(folder: Path) -> str:
    return (folder / "text").read_bytes().decode("utf-8", "surrogatepass")


def _use_genotype(folder: Path) -> None:
    """What is accepted is the same once more, in every spelling of its own."""
    genotype = Genotype.parse(_read(folder))
    assert Genotype.parse(str(genotype)) == genotype, "its own text is another genotype"


def _use_method(folder: Path) -> None:
    method = parse_method(_read(folder))
    assert parse_method(repr(method)) == method, "its own text is another method"


def _use_literal(folder: Path) -> None:
    parse(_read(folder))


# Configurations


def _make_config(draw: Random, base: Path, folder: Path) -> None:
    kind = draw.choice([SearchConfig, TrainConfig])
    whole = (
        SearchConfig(name="it", dataset="digits")
        if kind is SearchConfig
        else TrainConfig(name="it", dataset="digits", genotype=DARTS_GENOTYPE)
    )
    values = json.loads(whole.model_dump_json())
    for _ in range(draw.choice([1, 1, 2, 4])):
        values = damage.changed(draw, values)
    (folder / "config.json").write_text(json.dumps([kind.__name__, values]))


def _use_config(folder: Path) -> None:
    name, values = json.loads((folder / "config.json").read_text())
    kind: Any = {"SearchConfig": SearchConfig, "TrainConfig": TrainConfig}[name]
    if not isinstance(values, dict):
        return
    config = kind(**{str(key): value for key, value in values.items()})
    again = kind.model_validate_json(config.model_dump_json())
    assert again.model_dump_json() == config.model_dump_json(), "saved and read, it is another configuration"


# Command lines

_COMMANDS: dict[str, tuple[str, ...]] = {
    "search": ("-dataset", "digits", "-name", "it"),
    "augment": ("-dataset", "digits", "-name", "it", "-genotype", DARTS_GENOTYPE),
    "dadarts search": ("--dataset", "digits", "--name", "it"),
    "dadarts train": ("--dataset", "digits", "--name", "it", "--genotype", DARTS_GENOTYPE),
    "dadarts show": (DARTS_GENOTYPE, "--init_channels", "2", "--layers", "1"),
    "dadarts oracle": ("nas-bench-201", BENCH_GENOTYPE),
    "dadarts runs": (),
    "dadarts": ("--version",),
}
_VALUES = (
    *("0", "1", "-1", "2", "4096", "4097", "9" * 30, "9" * 5000, "0.5", "1e-3", "-1e-3", "1e999", "nan", "inf", "True"),
    *(
        "",
        " ",
        "x",
        "-",
        "--",
        "---",
        "@",
        "@it",
        "~",
        "~nobody",
        "/",
        "..",
        "/dev/null",
        "/proc/self/mem",
        "a\nb",
        "\0",
    ),
    *(
        "é",
        "\ud800",
        "x" * 5000,
        "{}",
        "[1]",
        "digits",
        "cifar10",
        "dadarts",
        "TopK(",
        "none",
        "a,b",
        "=",
        "nowhere.npz",
    ),
    *_GENOTYPES,
)


def _make_command(draw: Random, base: Path, folder: Path) -> None:
    name = draw.choice(list(_COMMANDS))
    words = list(_COMMANDS[name])
    flags = [flag for kind in (SearchConfig, TrainConfig) for each in flags_of(kind) for flag in each.names]
    flags += ["help", "version", "json", "runs_dir", "space", "method", "resume", "overwrite", "name", "nonsense"]
    for _ in range(draw.choice([0, 1, 1, 2, 4, 12])):
        place = draw.randrange(len(words) + 1)
        flag = draw.choice(["-", "--", "--", "---", ""]) + draw.choice(flags)
        match draw.randrange(6):
            case 0:
                words[place:place] = [flag]
            case 1:
                words[place:place] = [f"{flag}={draw.choice(_VALUES)}"]
            case 2:
                words[place:place] = [draw.choice(_VALUES)]
            case 3:
                del words[place : place + 1]
            case _:
                words[place:place] = [flag, draw.choice(_VALUES)]
    if name == "dadarts" and not words:
        words = ["help"]  # Alone it gives its overview, on standard output, and the code of a mistake.
    (folder / "words").write_bytes(json.dumps([name, words]).encode())


def _use_command(folder: Path) -> None:
    """Only what reads words: nothing is searched or trained, and no picture is looked at."""
    name, words = json.loads((folder / "words").read_text())
    reads: dict[str, Callable[[list[str]], object]] = {
        "search": lambda given: _parsed(configs.search_command("search.py"), given),
        "augment": lambda given: _parsed(configs.train_command("augment.py"), given),
        "dadarts search": main.search_config,
        "dadarts train": main.train_config,
    }
    if name not in reads:
        command("dadarts", *name.split()[1:], *words)
        return
    code: object = 0
    try:
        reads[name](words)
    except SystemExit as stop:
        code = stop.code or 0
    assert code == 0, f"exit code {code}"


def _parsed(spoken: Command, words: list[str]) -> None:
    values, _, _ = configs.split_run_flags(spoken.parse(words))
    if "genotype" in values:
        configs.train_config(values)
    else:
        configs.search_config(values, "dadarts")


FUZZERS = (
    Fuzzer("genotypes", _text_of(_GENOTYPES), _use_genotype, tests=150, seconds=5.0),
    Fuzzer("methods", _text_of(_METHODS), _use_method, tests=150, seconds=5.0),
    Fuzzer("literals", _text_of((*_GENOTYPES, *_METHODS)), _use_literal, tests=150, seconds=5.0),
    Fuzzer("configs", _make_config, _use_config, tests=60, seconds=5.0),
    Fuzzer("commands", _make_command, _use_command, tests=25),
)
