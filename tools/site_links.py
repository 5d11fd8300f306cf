"""A hook of MkDocs: links of the pages that lead out of docs/, as they work in a repository viewer, work on the site.

Each file that is linked to becomes a page of its own below ``repository/``: text as text, other files as code.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
DOCS = "docs"
_LINK = re.compile(r"(\]\()([^)\s#]+)((?:#[^)\s]*)?\))")
_FOLDER = "repository"
_LANGUAGES = {".py": "python", ".toml": "toml", ".csv": "text", ".hpp": "cpp", ".cpp": "cpp"}


def on_files(files: Files, config: Any) -> Files:
    """Add a page for every file that a page links to, and for those that these link to in turn."""
    waiting = [f"{DOCS}/{file.src_uri}" for file in files.documentation_pages()]
    seen = {*waiting}
    while waiting:
        page = waiting.pop()
        for target in _targets(page):
            if target in seen or target.startswith(f"{DOCS}/"):
                continue
            seen.add(target)
            files.append(File.generated(config, _place(target), content=_text(target)))
            if target.endswith(".md"):
                waiting.append(target)
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """The text of a page with its links as the site needs them."""
    uri = page.file.src_uri
    source = _source(uri)

    def written(match: re.Match[str]) -> str:
        target = _target(source, match[2])
        if target is None:
            return match[0]
        place = target.removeprefix(f"{DOCS}/") if target.startswith(f"{DOCS}/") else _place(target)
        return f"{match[1]}{os.path.relpath(place, PurePosixPath(uri).parent)}{match[3]}"

    return _LINK.sub(written, markdown)


def _targets(page: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return [target for match in _LINK.finditer(text) if (target := _target(page, match[2])) is not None]


def _target(page: str, link: str) -> str | None:
    """The file in the repository that a link of a page leads to; None of one that leads elsewhere."""
    if "://" in link or link.startswith("mailto:"):
        return None
    path = (ROOT / page).parent / link
    target = os.path.normpath(path.relative_to(ROOT) if path.is_absolute() else path)
    if (ROOT / target).is_dir():
        return f"{target}/dadarts.md" if target == f"{DOCS}/methods" else None
    return target if (ROOT / target).is_file() else None


def _place(target: str) -> str:
    """Where a file of the repository is on the site."""
    return f"{_FOLDER}/{target}" if target.endswith((".md", ".svg", ".png")) else f"{_FOLDER}/{target}.md"


def _source(uri: str) -> str:
    """Which file of the repository a page of the site is."""
    return uri.removeprefix(f"{_FOLDER}/") if uri.startswith(f"{_FOLDER}/") else f"{DOCS}/{uri}"


def _text(target: str) -> str | bytes:
    if target.endswith((".svg", ".png")):
        return (ROOT / target).read_bytes()
    text = (ROOT / target).read_text(encoding="utf-8")
    if target.endswith(".md"):
        return text
    fence = "`" * 6
    language = _LANGUAGES.get(Path(target).suffix, "text")
    return f"# {target}\n\n{fence}{language}\n{text}\n{fence}\n"
