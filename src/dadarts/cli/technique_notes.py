"""What a person should know about the technique flags that they gave: which do nothing, and which overrule others."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from dadarts.cli.techniques import Techniques

_OFF = "no technique that it belongs to acts"
_TOP_K = ("option", "topk_k_edge", "topk_k_node", "justtopk")
_LEVELS = ("edge", "node")
_TEMPERATURES = (
    *("topk_temperature_edge", "topk_temperature_node"),
    *("linear_temperature_increase", "linear_temperature_max"),
)
_DAL = ("dal_target", "dal_factor", "dal_starting_epoch", "linear_dal_factor_increase", "dal_factor_max")
_STEPS = ("weights", "alphas", "virtualstep")


def notes(techniques: Techniques, given: Collection[str]) -> list[str]:
    """What the log should say once.

    Args:
        techniques: all flags, those that a named method has set among them.
        given: the flags that the user gave; of others it is not said that they do nothing.
    """
    # A switch that is given as False asks for nothing.
    asked = {name for name in given if getattr(techniques, name) is not False}
    reasons: dict[str, str] = {}
    for names, reason in (*_parts_of_nothing(techniques), *_replaced(techniques), *_without_their_step(techniques)):
        reasons |= {name: reason for name in names if name in asked and name not in reasons}
    return [f"-{name} has no effect: {reasons[name]}" for name in sorted(reasons)] + list(_overruled(techniques))


def _parts_of_nothing(flags: Techniques) -> Iterator[tuple[tuple[str, ...], str]]:
    """Flags that shape a technique which acts in no pass."""
    passes = _passes(flags)
    top_k = {step for step in passes if getattr(flags, f"topk_on_{step}")}
    sampled = {"weights"} - top_k if flags.sample_on_weights else set()
    hard = {step for step in passes if getattr(flags, f"hd_on_{step}")} - top_k - sampled
    if not top_k:
        yield _TOP_K, _OFF
    if not top_k and not sampled:
        yield _TEMPERATURES, _OFF
    if not hard:
        yield ("hd_start",), _OFF
    if not flags.dal_on_alphas and not flags.dal_on_weights:
        yield _DAL, _OFF
    for level in _LEVELS:
        if getattr(flags, f"topk_k_{level}") == 0 and not sampled:
            yield (f"topk_temperature_{level}",), f"-topk_k_{level} 0 turns that level off"


def _replaced(flags: Techniques) -> Iterator[tuple[tuple[str, ...], str]]:
    """Values that stand still beside their rise, and ends of a rise that is off."""
    if flags.linear_temperature_increase:
        levels = tuple(f"topk_temperature_{level}" for level in _LEVELS)
        yield levels, "-linear_temperature_increase is on, T rises to -linear_temperature_max"
    else:
        yield ("linear_temperature_max",), "it is the end of a rise, and -linear_temperature_increase is off"
    if flags.linear_dal_factor_increase:
        yield ("dal_factor",), "-linear_dal_factor_increase is on, lambda rises to -dal_factor_max"
    else:
        yield ("dal_factor_max",), "it is the end of a rise, and -linear_dal_factor_increase is off"


def _without_their_step(flags: Techniques) -> Iterator[tuple[tuple[str, ...], str]]:
    """Flags of a pass that a search of this order does not take."""
    passes = _passes(flags)
    if "virtualstep" not in passes:
        names = ("hd_on_virtualstep", "topk_on_virtualstep", "finite_difference_epsilon")
        yield names, "it is part of the second-order step, and this search is of another order"
    if "alphas" not in passes:
        reason = "a single-level search has one loss, under the mixing weights of the weight step; it is only measured"
        yield ("hd_on_alphas", "topk_on_alphas"), reason


def _passes(flags: Techniques) -> tuple[str, ...]:
    """The steps that have mixing weights of their own."""
    if flags.single_level_optimization:
        return _STEPS[:1]
    return _STEPS[:2] if flags.first_order else _STEPS


def _overruled(flags: Techniques) -> Iterator[str]:
    for step in _passes(flags):
        if getattr(flags, f"topk_on_{step}") and getattr(flags, f"hd_on_{step}"):
            yield f"-topk_on_{step} and -hd_on_{step}: top-k is what acts, as in the original"
    if flags.sample_on_weights and flags.topk_on_weights:
        yield "-topk_on_weights and -sample_on_weights: top-k is what acts"
    elif flags.sample_on_weights and flags.hd_on_weights:
        yield "-hd_on_weights and -sample_on_weights: the draw is what acts"
