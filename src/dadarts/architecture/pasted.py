"""Where in a text that was pasted, printed or written to a file a genotype stands, and which of several is meant.

What is around it says whether it stands for itself (an assignment, a log line, a comment behind it) or is a part of
something else, which is refused. Nothing is evaluated; every pattern takes time linear in the text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from dadarts.errors import InputError, shortened

MAX_FILE = 1 << 20
"""Characters of a text that holds several genotypes."""
MANY = 8
"""Names that a refusal lists."""

_COMMENT = re.compile(r"#[^\n]*")
_LEADING = re.compile(r"^[ \t]*#+", re.MULTILINE)
_TIDIED = (
    # What numpy and torch print of numbers, words and lists of numbers.
    (re.compile(r",[ \t]*dtype[ \t]*=[ \t]*(?:\w{1,9}\.)?'?\w{1,16}'?"), ""),
    (re.compile(r"\b(?:np|numpy|jnp|torch)\.(?=[a-z])"), ""),
    (re.compile(r"\bu?int(?:8|16|32|64)?_?\([ \t]*(-?\d{1,9})[ \t]*\)"), r"\1"),
    (re.compile(r"\bstr_?\([ \t]*('[^'\n]*'|\"[^\"\n]*\")[ \t]*\)"), r"\1"),
    (re.compile(r"\b(?:array|tensor|list|tuple)\([ \t]*(\[[\d\s,]*\]|\([\d\s,]*\)|range\([\d\s,]*\))[ \t]*\)"), r"\1"),
    # A line that goes on in a shell or in Python.
    (re.compile(r"\\(?=\r?\n)"), " "),
)
_START = re.compile(
    r"""(?P<call>\bGenotype[ \t]*\()
      |(?P<bench>\|[A-Za-z0-9_]{1,32}~\d{1,3}\|[A-Za-z0-9_~|+]*)
      |(?P<indices>(?<![\w\])])[(\[]\s*\d\s*(?:,\s*\d\s*){5},?\s*[)\]])
      |(?P<code>(?<![\w.+-])[012]{8}(?![\w.]))""",
    re.VERBOSE,
)
_PART = re.compile(r"'[^'\n]*'|\"[^\"\n]*\"|[()\[\]]")
_NAMED = re.compile(r"\b([A-Za-z_]\w{0,80})\s*(?::[^=\n()]{0,60})?[=:]\s*['\"]?(?:[A-Za-z_]\w{0,40}\.){0,4}$")
_MODULE = re.compile(r"(?:\b[A-Za-z_]\w{0,40}\.){1,4}$")
_ALIAS = re.compile(r"^[ \t]*([A-Za-z_]\w{0,80})[ \t]*=[ \t]*([A-Za-z_]\w{0,80})[ \t]*$", re.MULTILINE)
_OPERATOR = re.compile(r"(?:[=!<>+\-*/%&|^~]=|[(\[{.+*/%!<&^~@\\]|\b(?:class|def|not|lambda|in|is|and|or))$")


@dataclass(frozen=True)
class Found:
    """A genotype in a text.

    Args:
        kind: call, bench, indices or code.
        text: what stands there, what numpy prints made plain.
        name: what it is assigned to, None where it is to nothing.
        line: where it begins, from 1.
        problem: why it does not stand for itself, None where it does.
    """

    kind: str
    text: str
    name: str | None
    line: int
    problem: str | None


def find(text: str) -> list[Found]:
    """All genotypes of a text in their order; those in comments only where there are no others.

    Raises:
        InputError: the text is too long, or a bracket is not closed.
    """
    if len(text) > MAX_FILE:
        raise InputError(f"a text of {len(text):,} characters is too long; at most {MAX_FILE:,} are read")
    return list(_found(_tidied(text))) or list(_found(_tidied(_LEADING.sub("", text))))


def pick(text: str, name: str | None = None, file: str | None = None) -> Found | None:
    """The genotype of a text, of several the one with a name or in a line; None where there is none at all.

    Raises:
        InputError: it is a part of something else, there are several, or none has the name.
    """
    found = find(text)
    whole = [each for each in found if each.problem is None]
    if name is not None:
        return _named(whole, name, dict(_ALIAS.findall(_COMMENT.sub("", text))), file)
    if not whole:
        if found:
            raise InputError(f"not a genotype: {found[0].problem}")
        return None
    if len({"".join(each.text.split()) for each in whole}) > 1:
        raise InputError(_which(whole, file))
    return whole[0]


def _named(whole: list[Found], name: str, aliases: dict[str, str], file: str | None) -> Found:
    wanted = name
    for _ in aliases:
        if any(each.name == wanted for each in whole) or wanted not in aliases:
            break
        wanted = aliases[wanted]
    chosen = [each for each in whole if wanted in (each.name, str(each.line))]
    if not chosen:
        where = file or "the text"
        raise InputError(
            f"{where} has no genotype {shortened(name)}; {_which(whole, file) if whole else 'it has none'}"
        )
    if len({"".join(each.text.split()) for each in chosen}) > 1:
        raise InputError(_which(chosen, file))
    return chosen[0]


def _which(whole: list[Found], file: str | None) -> str:
    """The refusal that lists what may be meant."""
    times = Counter(each.name for each in whole)
    # A name that is given to several is none: their lines are.
    labels = [each.name if each.name and times[each.name] == 1 else str(each.line) for each in whole]
    named = ", ".join(label[:40] for label in labels[:MANY]) + (", ..." if len(labels) > MANY else "")
    are_lines = {label.isdecimal() for label in labels}
    kind = "names and lines" if len(are_lines) > 1 else "lines" if are_lines == {True} else "names"
    if file is None:
        return f"the text holds {len(whole)} genotypes ({kind} {named}); give one of them"
    return f"{file} holds {len(whole)} genotypes ({kind} {named}); name one, as {file}#{labels[0][:40]}"


def _tidied(text: str) -> str:
    text = _COMMENT.sub("", text)
    for pattern, plain in _TIDIED:
        text = pattern.sub(plain, text)
    return text


def _found(text: str) -> Iterator[Found]:
    at, line, counted = 0, 1, 0
    while (match := _START.search(text, at)) is not None:
        kind = str(match.lastgroup)
        start, end = match.span()
        if kind == "call":
            end = _closing(text, end - 1)
        line, counted = line + text.count("\n", counted, start), start
        named = _NAMED.search(text, max(0, start - 200), start)
        yield Found(kind, text[start:end], named[1] if named else None, line, _problem(kind, text, start, end))
        at = end


def _closing(text: str, opening: int) -> int:
    """Behind the bracket that closes the one at `opening`."""
    depth = 0
    for part in _PART.finditer(text, opening):
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(part[0], 0)
        if depth == 0:
            return part.end()
    raise InputError("not a genotype: Genotype( has no closing bracket; give it whole, from Genotype( to its last )")


def _problem(kind: str, text: str, start: int, end: int) -> str | None:
    """What is wrong with what stands around a genotype on its lines."""
    if kind == "bench":
        # A word of its own is as good as a line of its own: it can be a part of nothing.
        glued = re.compile(r"[^\s,;.:)\]}'\"]\S{0,19}").match(text, end)
        return f"unexpected {glued[0]!r} behind it" if glued else None
    before = text[max(0, text.rfind("\n", 0, start) + 1, start - 300) : start]
    last = text.find("\n", end)
    behind = text[end : min(len(text) if last < 0 else last, end + 300)]
    before, behind = _MODULE.sub("", before).rstrip(), behind.strip()
    if before[-1:] and before[-1:] in "'\"" and behind[:1] == before[-1:]:
        before, behind = before[:-1].rstrip(), behind[1:].lstrip()
    if behind.strip(",;. \t"):
        return f"unexpected {behind[:20]!r} behind it"
    if kind in ("indices", "code"):
        is_own = not before or (before[-1] in "=:" and not _OPERATOR.search(before))
        return None if is_own else f"unexpected {before[-20:]!r} before it"
    return f"unexpected {before[-20:]!r} before it" if _OPERATOR.search(before) else None
