"""What a search needs to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import BeforeValidator, Field, PlainSerializer, field_validator, model_validator

from dadarts.config.limits import LIMITS, LimitSettings
from dadarts.config.run import AUTO, RunConfig
from dadarts.config.settings import setting
from dadarts.errors import InputError, unknown

if TYPE_CHECKING:
    from dadarts.architecture.spaces import SearchSpace
    from dadarts.methods.method import Method


def _as_method(value: Any) -> Any:
    from dadarts.methods.catalogue import METHODS
    from dadarts.methods.method import Method
    from dadarts.methods.text import parse_method

    if not isinstance(value, str | Method):
        raise InputError(f"-method {str(value)[:40]}: expected a Method, its name or its repr")
    if isinstance(value, str) and "(" not in value:
        if value not in METHODS:
            raise unknown("method", value, METHODS)
        return METHODS[value]()
    # A method that was made in Python passes the same checks as one that was written down.
    return parse_method(value if isinstance(value, str) else repr(value))


def _default_method() -> Any:
    from dadarts.methods.catalogue import dadarts

    return dadarts()


if TYPE_CHECKING:
    MethodField = Method
else:
    MethodField = Annotated[Any, BeforeValidator(_as_method), PlainSerializer(repr)]


def _limited(settings: Mapping[str, Any]) -> bool:
    return any(settings.get(name) is not None for name in LIMITS)


def _priced(method: Method, rate: float) -> Method:
    """The method whose alphas pay for what they expect beyond a limit; one that says how they do stays as it is."""
    from dadarts.methods.penalties import ExpectedCost

    penalties = method.alphas.penalties
    if any(isinstance(penalty, ExpectedCost) for penalty in penalties):
        return method
    return replace(method, alphas=replace(method.alphas, penalties=(*penalties, ExpectedCost(rate))))


Rate: TypeAlias = Annotated[float, Field(ge=0, le=1e3)] | Literal["auto"]
"""A learning rate, or what the number of steps calls for (see `rates`), known when the data has been read."""


class SearchConfig(LimitSettings, RunConfig):
    """One search: data, supernet, the two optimizers, and the method.

    >>> SearchConfig(name="first", dataset="digits", epochs=2).layers
    8
    """

    name: str = setting(..., "run", "name of the run; its folder is runs/search/NAME", usual=True)
    epochs: int = setting(50, "run", "passes over the training half", ge=1, le=10**6, usual=True)
    batch_size: int = setting(64, "run", "pictures in a step's batch, from each half", ge=2, le=10**6, usual=True)

    search_space: str = setting(
        "darts", "network", "darts, nas-bench-201, nas-bench-macro, connect-nas-bench, S1 to S4", usual=True
    )
    nodes: int = setting(
        None, "network", "nodes of a cell (default: 4, nas-bench-201 3, nas-bench-macro 8)", ge=1, le=16
    )
    init_channels: int = setting(
        None, "network", "C, initial channels (default: 16, nas-bench-macro 32)", ge=1, le=4096, usual=True
    )
    layers: int = setting(
        None,
        "network",
        "L, cells (default: 8, nas-bench-201 5 a stage, nas-bench-macro 1)",
        "n_layers",
        ge=1,
        le=1000,
        usual=True,
    )

    w_lr: Rate = setting(
        0.025,
        "weights w",
        "learning rate at the start (xi); auto: 0.025 x sqrt(19,500 / steps of the search), from 0.025 to 0.1 "
        "(less where a batch has under 64)",
        usual=True,
    )
    w_lr_min: float = setting(0.001, "weights w", "learning rate that the cosine ends at", ge=0, le=1e3)
    w_momentum: float = setting(0.9, "weights w", "momentum", ge=0, lt=1)
    w_weight_decay: float = setting(3e-4, "weights w", "weight decay", ge=0, le=1e3)
    w_grad_clip: float = setting(5.0, "weights w", "largest norm of the gradient; 0 is none", ge=0, le=1e9)
    nesterov: bool = setting(False, "weights w", "Nesterov momentum")
    alpha_lr: Rate = setting(
        3e-4,
        "alphas",
        "learning rate of Adam; auto: 3e-4 x 19,500 / steps that train alphas, from 3e-4 to 0.02",
        usual=True,
    )
    alpha_weight_decay: float = setting(1e-3, "alphas", "weight decay", ge=0, le=1e3)
    engine: Literal["auto", "reference", "torch", "native"] = setting(
        "auto", "run", "form of the supernet: reference, torch, native (C++ kernels, CPU), or auto: the fastest"
    )
    fork_jobs: int | None = setting(
        None,
        "run",
        "on a CPU, processes that train forks of --selection race side by side (default: one a core, where that pays)",
        ge=1,
        le=256,
    )
    sparse_tolerance: float = setting(
        1e-6, "run", "operations with a smaller relative effect are left out of a pass; 0 computes all", ge=0, le=1e-2
    )
    checkpoint_activations: bool = setting(
        False, "run", "keep only cells' inputs for the backward pass: less memory, about 1.4 times as long"
    )
    validation_every: int = setting(
        1, "run", "epochs from one measurement of the validation half to the next; the last is measured", ge=1, le=10**6
    )
    hessian_eigenvalue: bool = setting(
        False, "alphas", "report the dominant eigenvalue of the validation loss' Hessian in alpha"
    )

    FUNCTION: ClassVar[str] = "search"
    BY_STEPS: ClassVar[tuple[str, ...]] = ("w_lr", "alpha_lr")
    """Settings that may follow from how many steps a search has."""
    METHOD_OF_AUTO: ClassVar[str] = "dadarts-lookahead"
    """The method of `auto` and of ``dadarts search``, unless they are given one."""

    method: MethodField = Field(default_factory=_default_method, validate_default=True)

    @classmethod
    def auto(cls, **values: Any) -> SearchConfig:
        """The configuration of ``dadarts search``: its method, and rates that follow from the steps, unless given.

        Raises:
            InputError: a value cannot be used.
        """
        from dadarts.methods.catalogue import METHODS

        return cls(**{"method": METHODS[cls.METHOD_OF_AUTO](), **dict.fromkeys(cls.BY_STEPS, AUTO), **values})

    @model_validator(mode="before")
    @classmethod
    def _sizes_follow_from_the_space(cls, values: dict[str, Any]) -> dict[str, Any]:
        from dadarts.architecture import spaces

        nodes = values.get("nodes")
        name = str(values.get("search_space", "darts"))
        space = spaces.space(name)
        if str(nodes) in map(str, range(1, 17)):
            space = spaces.space(name, int(str(nodes)))
        given = {key: value for key, value in values.items() if value is not None}
        defaults = {
            "nodes": space.nodes,
            "init_channels": space.search_size.channels,
            "layers": space.search_size.layers,
        }
        return defaults | given

    @model_validator(mode="after")
    def _settings_agree(self) -> SearchConfig:
        if self.nesterov and not self.w_momentum:
            raise InputError("-nesterov needs -w_momentum above 0")
        fraction = self.method.channel_fraction
        if self.init_channels % fraction:
            raise InputError(
                f"-init_channels {self.init_channels}: 1/{fraction} of the channels go through operations; "
                f"give a multiple of {fraction}"
            )
        if self.epochs % (restarts := self.method.restarts):
            raise InputError(f"-epochs {self.epochs} cannot be shared equally by -restarts {restarts}")
        return self

    @field_validator("method", mode="after")
    @classmethod
    def _method_works_in_the_space(cls, method: Method, info: Any) -> Method:
        if "search_space" not in info.data or "nodes" not in info.data:
            return method
        from dadarts.architecture import spaces
        from dadarts.methods.resolve import resolve

        if _limited(info.data) and info.data.get("limit_rate") and method.order != "none":
            method = _priced(method, info.data["limit_rate"])
        return resolve(method, spaces.space(info.data["search_space"], info.data["nodes"]))

    @model_validator(mode="after")
    def _limits_go_with_the_method(self) -> SearchConfig:
        if self.limited and self.method.retain != "top2":
            raise InputError(
                f"-genotype_to_retain {self.method.retain} is not the network of the hard pass, and keeps to no limit"
            )
        return self

    @property
    def space(self) -> SearchSpace:
        """The search space with this configuration's nodes."""
        from dadarts.architecture import spaces

        return spaces.space(self.search_space, self.nodes)
