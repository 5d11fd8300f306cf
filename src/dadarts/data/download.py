"""Files fetched from their official source: whole, checked and in place, or not there at all."""

from __future__ import annotations

import http.client
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import md5
from itertools import chain
from pathlib import Path
from typing import IO
from urllib.error import HTTPError
from urllib.request import urlopen

from rich.console import Console
from rich.progress import DownloadColumn, Progress, TransferSpeedColumn

from dadarts import files
from dadarts.errors import InputError

_TIMEOUT_SECONDS = 5.0
_BLOCK = 1 << 18
_LARGEST = 1 << 30
"""Bytes: several times what the largest of our files has."""


@dataclass(frozen=True)
class Remote:
    """A file, where it is published, and its MD5 digest."""

    file: str
    url: str
    md5: str


class UnreachableError(Exception):
    """The source cannot be reached, or broke off; nothing was left behind."""


def fetch(remote: Remote, folder: Path) -> Path:
    """Downloads into `folder`, which is created when the first bytes arrive.

    Raises UnreachableError, and InputError where the bytes are not the expected ones or cannot be written.
    """
    with _opened(remote.url) as response:
        blocks = _blocks(response)
        first = next(blocks, b"")
        try:
            return _save(remote, folder, chain([first], blocks), response.length)
        except OSError as error:
            raise InputError(f"{folder / remote.file} cannot be written: {error.strerror}") from error


def _opened(url: str) -> http.client.HTTPResponse:
    try:
        response: http.client.HTTPResponse = urlopen(url, timeout=_TIMEOUT_SECONDS)  # noqa: S310 - our table's
    except HTTPError as error:
        error.close()  # It is the server's answer, with the connection in it.
        raise UnreachableError(f"{error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise UnreachableError(_reason(error)) from error
    return response


def _blocks(response: IO[bytes]) -> Iterator[bytes]:
    try:
        while block := response.read(_BLOCK):
            yield block
    except (OSError, http.client.HTTPException) as error:
        raise UnreachableError(_reason(error)) from error


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", error)
    return getattr(reason, "strerror", None) or str(reason) or type(error).__name__


def _save(remote: Remote, folder: Path, blocks: Iterable[bytes], length: int | None) -> Path:
    target = folder / remote.file
    with files.replacing(target) as temporary:
        with temporary.open("wb") as file:
            found = _copy(remote.file, blocks, file, length)
        if found != remote.md5:
            raise InputError(
                f"{remote.url} did not send the expected file (md5 {found}, expected {remote.md5}); "
                "it was removed, try again"
            )
    return target


def _copy(what: str, blocks: Iterable[bytes], file: IO[bytes], length: int | None) -> str:
    """Writes all blocks, with a progress bar on a terminal; returns their MD5 digest."""
    state = md5(usedforsecurity=False)
    columns = (*Progress.get_default_columns(), DownloadColumn(), TransferSpeedColumn())
    console = Console(stderr=True)
    sent = 0
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(what, total=length)
        for block in blocks:
            sent += len(block)
            if sent > _LARGEST:
                raise InputError(
                    f"{what}: its source sends over {_LARGEST // 2**20} MB, and so another file; try again"
                )
            state.update(block)
            file.write(block)
            bar.advance(task, len(block))
    return state.hexdigest()
