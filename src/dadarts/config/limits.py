"""What the network that a search finds may cost, and at which size."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from dadarts.config.settings import Settings, setting
from dadarts.errors import InputError, shortened

_TIMES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9}
LIMITS = ("max_parameters", "max_multiply_adds", "max_latency_ms")
"""The settings that are limits."""
_GROUP = "limits of the network that is trained"


def _as_count(value: Any) -> Any:
    """A whole number, of which thousands, millions and billions may be written k, M and G.

    >>> _as_count("1.5M"), _as_count("100k"), _as_count("1,500,000")
    (1500000, 100000, 1500000)
    """
    if not isinstance(value, str):
        return value
    # A comma between thousands is one of many ways to write them; elsewhere it may stand for a point.
    plain = re.sub(r"(?<=\d)[,_](?=\d{3}(?!\d))", "", value.strip(), flags=re.ASCII)
    match = re.fullmatch(r"(\d{1,15})(?:\.(\d{1,9}))?([kKmMgGbB]?)", plain, re.ASCII)
    if match is None:
        raise InputError(f"{shortened(value, 40)!r} is no count; give one such as 100000, 100k or 1.5M")
    whole, decimals, suffix = match[1], match[2] or "", match[3].lower()
    count, rest = divmod(int(whole + decimals) * _TIMES[suffix], 10 ** len(decimals))
    if rest:
        raise InputError(f"{shortened(value, 40)} is no whole number")
    return count


Count = Annotated[int, BeforeValidator(_as_count), Field(ge=1, le=10**15)]


class Limited(Settings):
    """What a network may cost.

    Raises:
        InputError: a table of latencies stands without a limit of them.
    """

    max_parameters: Count | None = setting(
        None, _GROUP, "at most so many parameters, as 100k or 1.5M (without the auxiliary head)", usual=True
    )
    max_multiply_adds: Count | None = setting(
        None, _GROUP, "at most so many multiply-adds a picture, as 50M", usual=True
    )
    max_latency_ms: float | None = setting(
        None,
        _GROUP,
        "a lone picture is predicted in at most so many ms, as measured on this machine or by -costs",
        gt=0,
        le=1e6,
        usual=True,
    )
    costs: Path | None = setting(
        None, _GROUP, "latencies of another device: a table as `dadarts profile -csv` writes it"
    )

    @model_validator(mode="after")
    def _costs_are_of_a_latency(self) -> Self:
        if self.costs is not None and self.max_latency_ms is None:
            raise InputError("-costs says what operations take: it needs -max_latency_ms")
        return self

    @property
    def limited(self) -> bool:
        """Whether there is any limit."""
        return any(getattr(self, name) is not None for name in LIMITS)


class LimitSettings(Limited):
    """Limits of the network that a genotype is trained as.

    Raises:
        InputError: a value is out of range, or one that says how a limit is meant stands without it.
    """

    target_channels: int | None = setting(
        None, _GROUP, "C of the network that limits are of (default: the space's for trainings)", ge=1, le=4096
    )
    target_layers: int | None = setting(
        None, _GROUP, "L of the network that limits are of (default: the space's for trainings)", ge=1, le=1000
    )
    limit_rate: float = setting(
        10.0,
        _GROUP,
        "how fast the price of what alphas expect beyond a limit rises, in alphas' rates; 0 is no price",
        ge=0,
        le=1e6,
    )

    @model_validator(mode="after")
    def _limits_are_whole(self) -> LimitSettings:
        for name in ("target_channels", "target_layers"):
            if getattr(self, name) is not None and not self.limited:
                raise InputError(
                    f"-{name} is of the network that limits are of: it needs -max_parameters, -max_multiply_adds or "
                    "-max_latency_ms"
                )
        return self
