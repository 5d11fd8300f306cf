"""How a search ends: what its genotype is read off, and when it stops before its last epoch. Data; see `selecting`."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dadarts.errors import InputError
from dadarts.methods.searched import Searched
from dadarts.methods.terms import Terms

if TYPE_CHECKING:
    # `dadarts runs` reads how searches end without waiting for torch.
    from dadarts.architecture.supernet import Mixing


@dataclass(frozen=True)
class Selection:
    """What the genotype of a search is read off; a subclass is a frozen dataclass."""

    trains: ClassVar[bool] = True
    """Whether anything is searched before it."""
    reads_alphas: ClassVar[bool] = False
    """Whether it is the last W that decides."""
    forks: ClassVar[bool] = False
    """Whether it trains copies of the weights, which several processes can."""

    @property
    def tuning_epochs(self) -> int:
        """Passes over the training half that a decision may take; 0 where weights stay as they are."""
        return 0

    def scores(self, search: Searched) -> Generator[Any, None, Mixing]:
        """What `discretize` makes the genotype of, kind -> node -> (E, O): the last W where a subclass says no other.

        It yields what `Searched.evaluate` does. A run that was stopped within it begins it anew, and is answered at
        once what it had evaluated: all that it does must follow from `search`.
        """
        yield from ()
        return search.weights()

    def check(self) -> None:
        """Refuse what cannot be carried out.

        Raises:
            InputError: a number is out of range.
        """
        return


@dataclass(frozen=True)
class Argmax(Selection):
    """The discretization of the last W, as in DARTS (arXiv 1806.09055, section 2.4)."""

    reads_alphas: ClassVar[bool] = True


@dataclass(frozen=True, repr=False)
class Perturbation(Selection):
    """Edge by edge the operation whose removal hurts the mixture most (arXiv 2108.04392, algorithm 1).

    Args:
        epochs: passes over the training half that tune the weights after each round of decisions.
        order: which edge is decided next: a random one, or the one whose two most missed operations differ most, in
            standard errors over pictures.
        by: what hurts: fewer right answers, or a larger loss.
        renormalise: whether an edge's other operations take over the weight of the one that is left out. Leaving a
            `none` out changes nothing where they do not.
        pictures: at most so many of the validation half are measured; 0 is all.
    """

    epochs: int = 5
    order: Literal["random", "surest"] = "random"
    by: Literal["accuracy", "loss"] = "accuracy"
    renormalise: bool = False
    pictures: int = 0

    @property
    def tuning_epochs(self) -> int:
        """Those of a round."""
        return self.epochs

    def check(self) -> None:
        """Refuse numbers out of range."""
        if not 0 <= self.epochs <= 10**4:
            raise InputError(f"-selection_epochs {self.epochs}: tune for 0 to 10000 epochs")
        if self.pictures and not 2 <= self.pictures <= 10**9:
            raise InputError(f"-selection_pictures {self.pictures}: measure 2 to 1000000000 pictures, or 0 for all")

    def __repr__(self) -> str:
        # What was not asked for is not written: methods are saved as text, and that of the paper's selection is as
        # it was before there were others.
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        defaults = {field.name: field.default for field in fields(self) if field.name != "epochs"}
        asked = {name: value for name, value in values.items() if name not in defaults or value != defaults[name]}
        return f"Perturbation({', '.join(f'{name}={value!r}' for name, value in asked.items())})"

    def scores(self, search: Searched) -> Generator[Any, None, Mixing]:
        """The mixture in which all is decided, by weights of 0 and 1."""
        from dadarts.methods.perturbation import Perturbing

        how = Perturbing(search, self.epochs, self.order, self.by, self.renormalise, self.pictures)
        return (yield from how.scores())


@dataclass(frozen=True)
class Race(Terms, Selection):
    """Edge by edge, the surest first, the operation whose fork of the weights does best once it is trained through.

    See docs/methods/dadarts-lookahead.md; its settings are those of `Terms`.
    """

    forks: ClassVar[bool] = True

    def check(self) -> None:
        """Refuse numbers out of range."""
        if not 1 <= self.steps <= 10**6:
            raise InputError(f"-selection_steps {self.steps}: train a fork for 1 to 1000000 steps")
        for name, pictures in (("pictures", self.pictures), ("order_pictures", self.order_pictures)):
            if pictures and not 2 <= pictures <= 10**9:
                raise InputError(f"-selection_{name} {pictures}: measure 2 to 1000000000 pictures, or 0 for all")
        if not 1 <= self.rungs <= 10:
            raise InputError(f"-selection_rungs {self.rungs}: a race has 1 to 10 rungs")
        if not 0 <= self.looks <= 100:
            raise InputError(f"-selection_looks {self.looks}: look at decided edges again 0 to 100 times")
        if not 0 <= self.share <= 1000:
            raise InputError(f"-selection_share {self.share}: give 0 to 1000 times the training before")
        if not (0 < self.rate <= 100 and 0 < self.level < 1 and 0 <= self.put_off <= 100 and 1 <= self.rounds <= 1000):
            raise InputError(
                "a race needs a rate in (0, 100], a level in (0, 1), put_off in [0, 100] and rounds in [1, 1000]"
            )

    def scores(self, search: Searched) -> Generator[Any, None, Mixing]:
        """The mixture in which all is decided."""
        from dadarts.methods.race import Racing

        return (yield from Racing(search, self).scores())


@dataclass(frozen=True)
class Draws:
    """Uniform draws from a search's space, each made when it is asked for."""

    search: Searched
    purpose: str
    count: int

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int, /) -> Mixing:
        from dadarts.architecture.genotype import draw_scores

        return draw_scores(self.search.space, self.search.draw(self.purpose, number))


@dataclass(frozen=True)
class BestOfRandom(Selection):
    """Of uniformly drawn genotypes, the one that the supernet's hard pass classifies best (arXiv 1902.07638).

    Args:
        genotypes: how many are drawn.
    """

    genotypes: int = 100

    def check(self) -> None:
        """Refuse numbers out of range."""
        if not 1 <= self.genotypes <= 10**6:
            raise InputError(f"-selection_genotypes {self.genotypes}: draw 1 to 1000000")

    def scores(self, search: Searched) -> Generator[Any, None, Mixing]:
        """The best draw: by accuracy, and among equals by loss."""
        draws = Draws(search, "best-of-random", self.genotypes)
        found = yield from search.evaluate(draws)
        best = max(range(len(draws)), key=lambda number: (found[number][1], -found[number][0]))
        yield search.said(
            f"the best of {self.genotypes} random genotypes has {found[best][1]:.1%} on the validation half"
        )
        return draws[best]


@dataclass(frozen=True)
class UniformDraw(Selection):
    """One uniform draw; nothing is trained, since nothing that a search learns could matter."""

    trains: ClassVar[bool] = False

    def scores(self, search: Searched) -> Generator[Any, None, Mixing]:
        """The draw."""
        from dadarts.architecture.genotype import draw_scores

        yield from ()
        return draw_scores(search.space, search.draw("random-genotype"))


SELECTIONS: dict[str, type[Selection]] = {
    "argmax": Argmax,
    "perturbation": Perturbation,
    "race": Race,
    "best-of-random": BestOfRandom,
    "random": UniformDraw,
}
"""Every selection that `--selection` names."""


def names() -> str:
    """All of them, as a phrase.

    >>> names()
    'argmax, perturbation, race, best-of-random or random'
    """
    *others, last = SELECTIONS
    return f"{', '.join(others)} or {last}"


def name_of(selection: Selection) -> str:
    """How `--selection` calls it."""
    return next(name for name, kind in SELECTIONS.items() if kind is type(selection))


@dataclass(frozen=True)
class EigenvalueRise:
    """Stop where the validation loss gets sharp in alpha, and go back (arXiv 1909.09656, section 4.3).

    With ``m(i)`` the mean of the dominant Hessian eigenvalues of epochs i - window + 1 to i, the search stops after
    epoch i where ``m(i - window) < ratio * m(i)``, and its alphas are those of epoch i - window.

    Args:
        window: k of the paper, in epochs.
        ratio: the smaller, the larger a rise must be.
    """

    window: int = 5
    ratio: float = 0.75

    def reached(self, eigenvalues: Sequence[float]) -> bool:
        """Whether the search stops after the last of its epochs' eigenvalues."""
        k = self.window
        if len(eigenvalues) < 2 * k:
            return False
        now, before = sum(eigenvalues[-k:]) / k, sum(eigenvalues[-2 * k : -k]) / k
        return now > 0 and before < self.ratio * now
