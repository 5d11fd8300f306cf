"""How a command line is read: ``-flag``, ``--flag``, ``-flag value``, ``-flag=value``, here and in the original."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from dadarts.config.refusal import elsewhere
from dadarts.errors import MARK, InputError, in_flags, shortened, unknown

TRUTH = {"true", "false", "yes", "no", "1", "0"}
_HELP = {"h": "--help", "help": "--help", "help_all": "--help-all"}


@dataclass(frozen=True)
class Flag:
    """One flag: its names (the first is the setting's), where the help lists it, and what it says there.

    A flag that is `needed` stands in the usage line; what must be given is checked where the values are. Those that are
    `usual` are what most people need: ``--help`` lists no others where a command has any, ``--help-all`` does. One that
    is `boolean` may stand without a value, and take one of its `words` besides True and False; of others these are
    values that are known.
    """

    names: tuple[str, ...]
    group: str
    text: str
    boolean: bool = False
    default: str | None = None
    needed: bool = False
    usual: bool = False
    words: frozenset[str] = frozenset()


def flags_of(model: type[BaseModel]) -> list[Flag]:
    """A flag for every field that says where it belongs."""
    return [
        _flag(name, field) for name, field in model.model_fields.items() if isinstance(field.json_schema_extra, dict)
    ]


def _flag(name: str, field: FieldInfo) -> Flag:
    extra: Mapping[str, Any] = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    shown = None if field.is_required() or field.default is None or field.default is False else str(field.default)
    boolean = field.annotation is bool or bool in get_args(field.annotation)
    names = (name, *extra["aliases"])
    kinds = (field.annotation, *get_args(field.annotation))
    literals = [kind for kind in kinds if get_origin(kind) is Literal]
    words = frozenset(str(word) for kind in literals for word in get_args(kind))
    text = field.description or ""
    return Flag(names, extra["group"], text, boolean, shown, field.is_required(), extra["usual"], words)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(message)

    def print_help(self, file: Any = None) -> None:
        # argparse keeps to itself that it could not be written.
        print(self.format_help(), end="", file=file)


@dataclass(frozen=True)
class Command:
    """A command's flags and positional arguments, and how to read them.

    Args:
        prog: what the user typed.
        about: one sentence for ``--help``.
        flags: all flags.
        positionals: (name, help) of arguments without a dash.
        resumes: whether the arguments without a dash may be left out where ``--resume`` is given.
        many: (name, help) of the arguments that follow them, one or more; a lone dash may be one, and after two dashes
            all words are.
        unsupported: flags of the original that are refused as such, not as unknown.
        notes: what ``--help`` says last.
    """

    prog: str
    about: str
    flags: tuple[Flag, ...]
    positionals: tuple[tuple[str, str], ...] = ()
    resumes: bool = False
    many: tuple[str, str] | None = None
    unsupported: frozenset[str] = frozenset()
    notes: str = "A default stands in [brackets]. One dash before a flag does as well, and each is given once."

    def parse(self, argv: Sequence[str]) -> dict[str, str]:
        """The settings that the command line gives, as text; ``--help``, ``-h`` and ``--help-all`` print and exit.

        Raises:
            InputError: an unknown, unsupported or repeated flag, or one without its value.
        """
        return self.parse_many(argv)[0]

    def parse_many(self, argv: Sequence[str]) -> tuple[dict[str, str], list[str]]:
        """What `parse` gives, and the arguments of `many`; raises what `parse` does."""
        if not argv and (needed := [word.replace("--", "-", 1) for word in self._needed()]):
            raise InputError(f"begin with {self.prog} {' '.join(needed)}; {self.prog} --help lists its flags")
        words = self._rewritten(argv)
        in_short = words[:1] != ["--help-all"] and self._has_usual
        parsed = vars(self._parser(in_short).parse_args(words))
        many: list[str] = parsed.pop(self.many[0]) if self.many else []
        return {name: value for name, value in parsed.items() if value is not None}, many

    def _parser(self, in_short: bool) -> argparse.ArgumentParser:
        parser = _Parser(
            prog=self.prog,
            description=self.about,
            allow_abbrev=False,
            usage=" ".join([self.prog, *self._needed(), "[--flag X ...]"]),
            epilog=f"--help-all lists all {len(self.flags)} flags. {Command.notes}" if in_short else self.notes,
            add_help=False,
            formatter_class=lambda prog: argparse.HelpFormatter(prog, max_help_position=32, width=110),
        )
        if self._has_usual:
            parser.add_argument("-h", "--help", action="help", help="list the usual flags")
            parser.add_argument("--help-all", action="help", help="list all flags")
        else:
            parser.add_argument("-h", "--help", "--help-all", action="help", help="list all flags")
        for name, text in self.positionals:
            parser.add_argument(name, help=_in_help(text), nargs="?" if self.resumes else None)
        if self.many:
            parser.add_argument(self.many[0], help=_in_help(self.many[1]), nargs="+")
        groups: dict[str, argparse._ArgumentGroup] = {}
        for flag in self.flags:
            group = groups.setdefault(
                flag.group, parser.add_argument_group(flag.group) if flag.group not in groups else groups[flag.group]
            )
            text = _in_help(flag.text) + (f" [{flag.default}]" if flag.default is not None else "")
            if in_short and not flag.usual:
                text = argparse.SUPPRESS
            names = [f"--{name}" for name in flag.names]
            if flag.boolean:
                group.add_argument(*names, dest=flag.names[0], nargs="?", const="True", metavar="BOOL", help=text)
            else:
                group.add_argument(*names, dest=flag.names[0], metavar="X", help=text)
        return parser

    @property
    def _has_usual(self) -> bool:
        return any(flag.usual for flag in self.flags)

    def _needed(self) -> Iterator[str]:
        yield from (name.upper() for name, _ in self.positionals)
        yield from (f"{name.upper()} ..." for name, _ in ([self.many] if self.many else []))
        yield from (f"--{flag.names[0]} X" for flag in self.flags if flag.needed)

    def _rewritten(self, argv: Sequence[str]) -> list[str]:
        """Every flag as ``--name=value``, which argparse cannot take for anything else, and then the other words."""
        by_name = {name: flag for flag in self.flags for name in flag.names}
        seen: set[str] = set()
        flags: list[str] = []
        others: list[str] = []
        asked_for_help = False
        words = iter(range(len(argv)))
        for position in words:
            if self.many and argv[position] == "--":
                others += argv[position + 1 :]
                break
            match = re.fullmatch(r"--?([A-Za-z][\w-]*)(?:=(.*))?", argv[position], re.DOTALL)
            if match is None:
                others.append(self._other(argv[position]))
                continue
            name, value = match[1].replace("-", "_"), match[2]
            if name in _HELP:
                asked_for_help = True
                flags.insert(0, _HELP[name])
                continue
            flag = self._known(name, by_name)
            if flag.names[0] in seen:
                raise InputError(f"-{name} is given twice")
            seen.add(flag.names[0])
            if value is None:
                following = argv[position + 1] if position + 1 < len(argv) else None
                value = argv[next(words)] if _takes(flag, name, following, by_name) else "True"
            if value == "--":
                raise InputError(f"-{name} needs a value")
            _refuse_bytes(name, value)
            flags.append(f"--{name}={value}")
        if not asked_for_help:
            self._refuse_number_of(others, may_lack=self.resumes and "resume" in seen)
        return [*flags, "--", *others] if others else flags

    def _other(self, word: str) -> str:
        """A word that is no flag."""
        is_dash = word == "-" and self.many
        if (word.startswith("-") and not is_dash) or not (self.positionals or self.many):
            raise InputError(f"unexpected {_short(word)!r}; a flag is -name value or --name=value")
        return word

    def _refuse_number_of(self, others: Sequence[str], may_lack: bool) -> None:
        """Refuse fewer words without a flag than are needed, or more than are taken, as of a path with spaces in it."""
        taken = [name.upper() for name, _ in self.positionals]
        wanted = [*taken, *([self.many[0].upper()] if self.many else [])]
        if len(others) < len(wanted) and not may_lack:
            raise InputError(f"{wanted[len(others)]} must be given: {self.prog} {' '.join(self._needed())}")
        if not self.many and len(others) > len(taken):
            more, before = others[len(taken)], " ".join(map(repr, map(_short, others[: len(taken)])))
            each = " and ".join(f"one {name}" for name in taken)
            advice = f"{self.prog} takes {each}; put quotes around a path with spaces"
            raise InputError(f"unexpected {_short(more)!r} after {before}: {advice}")

    def _known(self, name: str, by_name: Mapping[str, Flag]) -> Flag:
        if name in by_name:
            return by_name[name]
        if name in self.unsupported or name.startswith("dropout_on_"):
            raise InputError(f"-{name} of the original is not supported here; leave it out")
        if name in dict(self.positionals):
            raise InputError(f"{name.upper()} is given without a flag: {self.prog} {' '.join(self._needed())}")
        others = {f"-{other}": f"-{known}" for other, known in elsewhere(by_name).items()}
        error = unknown("flag", f"-{name}", [f"-{known}" for known in by_name], others)
        hint = re.search(r"Did you mean .*", error.marked)
        raise InputError(f"unknown flag -{_short(name)}{f'. {hint[0]}' if hint else f'; see {self.prog} --help-all'}")


def as_typed(message: str, argv: Sequence[str], own: str = "--") -> str:
    """A marked message with its flags written as the user writes them.

    A flag of the command line is named as it stands there; another that the message has one dash before gets as many
    as those of the command line have, one where some have one, and where it has none as many as the command's `own`.

    >>> as_typed("-w_lr fast: give a number; see -alpha_lr", ["--name", "a", "--w-lr=fast"])
    '--w-lr fast: give a number; see --alpha_lr'
    """
    matches = [re.fullmatch(r"(--?[A-Za-z][\w-]*)(?:=.*)?", word, re.DOTALL) for word in argv]
    typed = [match[1] for match in matches if match]
    by_name = {word.lstrip("-").replace("-", "_"): word for word in typed}
    usual = "-" if any(not word.startswith("--") for word in typed) else "--" if typed else own

    def written(match: re.Match[str]) -> str:
        dashes, name = match.groups()
        return by_name.get(name) or (usual if dashes == "-" else dashes) + name

    return MARK.sub(written, message)


def _in_help(text: str) -> str:
    """A text for argparse."""
    return in_flags(text).replace("%", "%%")


def next_command(typed: Sequence[str], words: Sequence[str], runs_dir: Path, **settings: str) -> list[str]:
    """A command to give next about runs in a folder, its flags as those of the one that was typed."""
    where = {} if runs_dir == Path("runs") else {"runs_dir": str(runs_dir)}
    flags = [word for name, value in (settings | where).items() for word in (as_typed(f"-{name}", typed), value)]
    return ["dadarts", *words, *flags]


def own_dashes(prog: str) -> str:
    """How many dashes a command's own messages have before a flag: one in the original's scripts."""
    return "-" if prog.endswith(".py") else "--"


def without_booleans(argv: Sequence[str], *names: str) -> Iterator[str]:
    """The words of a command line without some boolean flags and their values.

    >>> list(without_booleans(["-name", "resume", "-resume", "True", "-seed", "1"], "resume"))
    ['-name', 'resume', '-seed', '1']
    """
    left_out = False
    for word in argv:
        is_value = left_out and word.lower() in TRUTH
        left_out = re.fullmatch(rf"--?({'|'.join(names)})(=.*)?", word) is not None
        if not left_out and not is_value:
            yield word


def _takes(flag: Flag, name: str, following: str | None, by_name: Mapping[str, Flag]) -> bool:
    """Whether the word behind a flag is its value; a boolean needs none."""
    if flag.boolean:
        return following is not None and following.lower() in TRUTH | flag.words
    if following is None or _is_flag(following, by_name):
        raise InputError(f"-{name} needs a value")
    return True


def _is_flag(word: str, by_name: Mapping[str, Flag]) -> bool:
    match = re.fullmatch(r"--?([A-Za-z][\w-]*)(?:=.*)?", word, re.DOTALL)
    return match is not None and match[1].replace("-", "_") in by_name


def _refuse_bytes(name: str, value: str) -> None:
    """Refuse bytes that are no UTF-8, which could not be written into a run's files."""
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise InputError(f"-{name} {shortened(value, 80)}: is no text in UTF-8")


def _short(word: str) -> str:
    return word if len(word) <= 40 else word[:37] + "..."
