"""What a run says of itself to those who only read it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dadarts import files
from dadarts.errors import InputError


@dataclass(frozen=True)
class SavedRun:
    """The folder of a run, to read.

    Args:
        path: where it is.
    """

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "config.json"

    @property
    def exists(self) -> bool:
        """Whether a run of that name has begun (its configuration is the last thing a new folder gets)."""
        return self.config.is_file()

    def saved_config(self) -> dict[str, Any]:
        """What `write_config` wrote.

        Raises:
            InputError: the file is damaged.
        """
        try:
            saved: dict[str, Any] = json.loads(files.read_text(self.config))
            return {"settings": dict(saved["settings"]), "versions": dict(saved["versions"])}
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            raise InputError(f"{self.config} is damaged; replace the run with -overwrite") from None

    def result(self) -> str | None:
        """What a finished run ended with; None while it has not ended."""
        path = self.path / "result.txt"
        try:
            return files.read_text(path).strip()
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            raise InputError(f"{path} is damaged; replace the run with -overwrite") from None
