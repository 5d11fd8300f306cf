"""A configuration as the call in Python that does what it says."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from dadarts.config.run import RunSettings
from dadarts.data.given import MARK

_PICTURES = "pictures"
"""What a call names a data set that was handed over as an object."""


def in_python(config: RunSettings, left_out: Collection[str] = ()) -> str:
    """A run in a line of Python, without the settings that are as they are where nothing is said.

    Of a data set that was given in Python the line has a name, and says behind it what that was.

    Args:
        left_out: settings that are not told.

    >>> from dadarts.config import FitConfig
    >>> print(in_python(FitConfig(dataset="digits", minutes=3)))
    for event in dadarts.fit(dadarts.FitConfig(dataset='digits', minutes=3.0)): print(event)
    """
    said = {name: repr(value) for name, value in _said(config).items() if name not in left_out}
    remark = ""
    if config.to_json()["dataset"].endswith(MARK):
        said |= {"dataset": _PICTURES}
        remark = f"  # {_PICTURES}: {' '.join(config.to_json()['dataset'].split())}"
    words = ", ".join(f"{name}={value}" for name, value in said.items())
    return f"for event in dadarts.{config.FUNCTION}(dadarts.{type(config).__name__}({words})): print(event){remark}"


def _said(config: RunSettings) -> dict[str, Any]:
    """The settings that are not as they would be with the space and the nodes of a cell alone."""
    own, kind = config.to_json(), type(config)
    needed: dict[str, Any] = {name: own[name] for name, field in kind.model_fields.items() if field.is_required()}
    unsaid = kind(**needed).to_json()
    for name in ("search_space", "nodes"):
        if name in own and own[name] != unsaid[name]:
            needed[name] = own[name]
            # Sizes follow from the space.
            unsaid = kind(**needed).to_json()
    return {name: value for name, value in own.items() if name in needed or value != unsaid[name]}
