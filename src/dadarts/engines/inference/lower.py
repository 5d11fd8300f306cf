"""Lowers what a network computes to the steps of a compiled program.

Batch norms go into the convolution or pool before them; a ReLU into the step that writes its input, where nobody reads
that without it, and else into those that read it; a sum into the steps of its terms, each of which adds to what the
others left; a concatenation into nothing, since a state's blocks may lie anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from dadarts.engines.inference.graph import (
    Affine,
    Convolution,
    Drawn,
    Given,
    Joined,
    Mean,
    Node,
    Opaque,
    Operation,
    Pooled,
    Rectified,
    Sum,
    Zeros,
)
from dadarts.engines.inference.steps import Block, Factors, Geometry, Held, Kind, Layer, Packing, Step
from dadarts.engines.inference.terms import Open, Term, identity, is_pointwise


@dataclass
class Stage:
    """Steps that run as one program, and then a layer of torch's, with the slots that it reads and writes."""

    steps: list[Step] = field(default_factory=list)
    layer: tuple[Opaque, int, int] | None = None


class Lowering:
    """The stages of a network's nodes.

    Args:
        nodes: as recorded.
        width: numbers in a vector.
    """

    def __init__(self, nodes: Sequence[Node], width: int) -> None:
        self._nodes = nodes
        self._width = width
        self._packing = Packing(width)
        self._readers: list[list[int]] = [[] for _ in nodes]
        for number, node in enumerate(nodes):
            for read in node.inputs:
                self._readers[read].append(number)
        self._stored_rectified = self._through_relus()
        self._open: dict[int, Open] = {}
        self._held: dict[int, Held] = {}
        self._buffers = 0
        self.stages = [Stage()]
        self.slots: dict[int, int] = {}
        """Nodes whose output is a tensor outside, and its slot."""
        for number in range(len(nodes)):
            self._take(number)
        self.out = self._slot(len(nodes) - 1)

    def _through_relus(self) -> list[bool]:
        """Of every node, whether its output is only read through ReLUs, and so held rectified."""
        able = (Sum, Affine, Convolution, Pooled, Joined)
        nodes, readers = self._nodes, self._readers
        found = [
            isinstance(node.operation, able)
            and bool(readers[number])
            and all(isinstance(nodes[reader].operation, Rectified | Joined) for reader in readers[number])
            for number, node in enumerate(nodes)
        ]
        changed = True
        while changed:
            changed = False
            for number, node in enumerate(nodes):
                joins = [reader for reader in readers[number] if isinstance(nodes[reader].operation, Joined)]
                parts = node.inputs if isinstance(node.operation, Joined) else ()
                if found[number] and not all(found[other] for other in (*joins, *parts)):
                    found[number], changed = False, True
        return found

    def _take(self, number: int) -> None:
        """Open a node, and write it unless its only reader may take it as it is."""
        node = self._nodes[number]
        match node.operation:
            case Given() | Drawn():
                self.slots[number] = len(self.slots)
            case Opaque():
                self._by_torch(number, node.operation, node.inputs[0])
            case Convolution():
                self._open[number] = (self._convolution(node.operation, node.inputs[0]),)
            case Pooled():
                self._open[number] = (Term(node.inputs[0], pool=node.operation),)
            case Affine():
                self._open[number] = (self._scaled(node.operation, node.inputs[0]),)
            case Rectified() if self._is_between(number):
                (term,) = self._open.pop(node.inputs[0])
                assert isinstance(term, Term)  # noqa: S101 -- a depthwise convolution
                self._open[number] = (replace(term, rectified_between=True),)
            case Sum():
                self._open[number] = tuple(part for each in node.inputs for part in self._open.pop(each, (each,)))
        if number in self._open and not self._waits(number):
            self._write(number)

    def _is_between(self, number: int) -> bool:
        """Whether a ReLU stands between a depthwise and a pointwise convolution, which one step computes."""
        source = self._open.get(self._nodes[number].inputs[0])
        return source is not None and self._narrows(number)

    def _narrows(self, number: int) -> bool:
        reader = self._only_reader(number)
        return isinstance(reader, Convolution) and is_pointwise(reader)

    def _only_reader(self, number: int) -> Operation | None:
        readers = self._readers[number]
        return self._nodes[readers[0]].operation if len(readers) == 1 else None

    def _waits(self, number: int) -> bool:
        """Whether what is open is computed by the steps of its only reader."""
        reader, opened = self._only_reader(number), self._open[number]
        (first, *others) = opened
        if isinstance(reader, Sum) and not self._stored_rectified[number]:
            return True
        if others or not isinstance(first, Term):
            return False
        if isinstance(reader, Affine) and not first.rectified_between:
            return True
        if not first.only_wide:
            return False
        behind = isinstance(reader, Rectified) and self._narrows(self._readers[number][0])
        return self._narrows(number) or (behind and not first.rectified_between)

    def _convolution(self, convolution: Convolution, source: int) -> Term:
        opened = self._open.pop(source, None)
        if opened is not None:
            (term,) = opened
            assert isinstance(term, Term)  # noqa: S101 -- a depthwise convolution
            return replace(term, main=convolution)
        rectified = False
        if isinstance(self._nodes[source].operation, Rectified):
            source = self._nodes[source].inputs[0]
            rectified = not self._stored_rectified[source]
        if convolution.depthwise:
            return Term(source, rectified, wide=Layer(convolution, None))
        return Term(source, rectified, main=convolution)

    def _scaled(self, affine: Affine, source: int) -> Term:
        opened = self._open.pop(source, None)
        if opened is None:
            return Term(source, factors=affine.factors)
        (term,) = opened
        assert isinstance(term, Term)  # noqa: S101 -- it waited
        return term.scaled(affine.factors)

    def _by_torch(self, number: int, operation: Opaque, source: int) -> None:
        begin = self._slot(source)
        self.slots[number] = len(self.slots)
        self.stages[-1].layer = (operation, begin, self.slots[number])
        self.stages.append(Stage())

    def _slot(self, number: int) -> int:
        """The slot of a node's output, which leaves the program for it."""
        if number not in self.slots:
            held = self._read(number)
            self.slots[number] = len(self.slots)
            self._add(Step(Kind.LEAVE, held, replace(held, blocks=()), slot=self.slots[number]))
        return self.slots[number]

    # Writing.

    def _add(self, step: Step) -> None:
        self.stages[-1].steps.append(step)

    def _new(self, channels: int, height: int, width: int) -> Held:
        self._buffers += 1
        counts = range(0, channels, self._width)
        blocks = (Block(self._buffers, at, min(self._width, channels - first)) for at, first in enumerate(counts))
        return Held(tuple(blocks), height, width)

    def _read(self, number: int) -> Held:
        """A node's output as it is held."""
        if number not in self._held:
            self._held[number] = self._found(number, self._nodes[number])
        return self._held[number]

    def _found(self, number: int, node: Node) -> Held:
        """What is held of a node that is not a sum of terms."""
        operation = node.operation
        if isinstance(operation, Joined):
            parts = [self._read(part) for part in node.inputs]
            return replace(parts[0], blocks=tuple(block for part in parts for block in part.blocks))
        if isinstance(operation, Rectified):
            held = self._read(node.inputs[0])
            if self._stored_rectified[node.inputs[0]]:
                return held
            return self._scale(self._regular(held), None, None, True)
        if isinstance(operation, Mean):
            return self._mean(self._read(node.inputs[0]))
        out = self._new(*node.shape)
        if isinstance(operation, Zeros):
            self._add(Step(Kind.FILL, replace(out, blocks=()), out))
        else:
            self._add(Step(Kind.ENTER, out, out, slot=self.slots[number]))
        return out

    def _mean(self, held: Held) -> Held:
        """Of every block one pixel, however full the block is."""
        self._buffers += 1
        blocks = tuple(Block(self._buffers, at, block.count) for at, block in enumerate(held.blocks))
        out = Held(blocks, 1, 1)
        self._add(Step(Kind.MEAN, held, out))
        return out

    def _regular(self, held: Held) -> Held:
        """The same with every block but the last full."""
        out = self._new(held.channels, held.height, held.width)
        if held.counts == out.counts:
            return held
        groups, values = self._packing.dense(identity(held.channels), held, held.channels)
        self._add(Step(Kind.POINTWISE, held, out, groups=groups, values=values))
        return out

    def _scale(self, held: Held, factors: Factors | None, added: Held | None, rectified: bool) -> Held:
        out = self._new(held.channels, held.height, held.width)
        values = self._packing.affine(factors, held)
        self._add(Step(Kind.SCALE, held, out, added, rectifies=(False, False, rectified), values=values))
        return out

    def _write(self, number: int) -> None:
        """The steps of an open node."""
        opened = self._open.pop(number)
        terms = [part for part in opened if isinstance(part, Term)]
        states = [self._regular(self._read(part)) for part in opened if not isinstance(part, Term)]
        steps = [self._step(term, self._nodes[number].shape) for term in terms]
        if not steps:
            steps = [Step(Kind.SCALE, states[0], states[0], values=self._packing.affine(None, states[0]))]
            states = states[1:]
        added = states.pop() if states else None
        for state in states:
            steps.append(Step(Kind.SCALE, state, state, values=self._packing.affine(None, state)))
        out = self._new(*self._nodes[number].shape)
        for at, step in enumerate(steps):
            last = at == len(steps) - 1
            self._add(step.into(out, out if at else added, last and self._stored_rectified[number]))
        self._held[number] = out

    def _step(self, term: Term, shape: tuple[int, int, int]) -> Step:
        """A term as a step; where it writes to is left open."""
        held, channels = self._read(term.source), shape[0]
        rectifies = (term.rectified, term.rectified_between, False)
        if term.wide is not None:
            narrow = identity(channels) if term.main is None else Layer(term.main, term.factors)
            groups, values = self._packing.separable(term.wide, narrow, held, channels)
            geometry = Geometry.of(term.wide.convolution)
            return Step(Kind.SEPARABLE, held, held, None, geometry, rectifies, groups, values=values)
        if term.main is not None:
            groups, values = self._packing.dense(Layer(term.main, term.factors), held, channels)
            kind = Kind.POINTWISE if is_pointwise(term.main) else Kind.DENSE
            return Step(kind, held, held, None, Geometry.of(term.main), rectifies, groups, values=values)
        held = self._regular(held)
        values = self._packing.affine(term.factors, held)
        pool = term.pool
        if pool is None:
            return Step(Kind.SCALE, held, held, values=values)
        geometry = Geometry((pool.kernel, pool.kernel), (pool.padding, pool.padding), pool.stride)
        return Step(Kind.MAXIMUM if pool.maximum else Kind.AVERAGE, held, held, None, geometry, values=values)
