"""Several processes that compute one run: each takes its share of every batch, and all hold the same numbers.

Torch is imported where it is used, so that whoever only asks which process this is answers at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from dadarts.errors import DadartsError, InputError, RunError

if TYPE_CHECKING:
    from torch import Tensor

LAUNCHER = ("python", "-m", "torch.distributed.run", "--nproc_per_node")
_PATIENCE = timedelta(minutes=30)
"""How long a process waits for the others: the first one may be decoding the data meanwhile."""
_ERROR = "error"

Made = TypeVar("Made")


@dataclass(frozen=True)
class Processes:
    """This process among those that compute a run.

    Args:
        rank: its number, from 0.
        count: how many there are.
        store: what they tell one another where a connection is lost; None before they are `joined`.
    """

    rank: int = 0
    count: int = 1
    store: Any = field(default=None, compare=False, repr=False)

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes files and prints."""
        return self.rank == 0

    @property
    def several(self) -> bool:
        return self.count > 1

    def share(self, size: int) -> slice:
        """The part of a global batch that this process computes; `size` is a multiple of their number."""
        own = size // self.count
        return slice(self.rank * own, (self.rank + 1) * own)

    def averaged(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """The mean over processes of each tensor, in its memory format; bit for bit the same in all processes.

        Raises:
            DadartsError: another process has ended; it is that one's error where it told one.
        """
        if not self.several:
            return list(tensors)
        import torch

        flat = self._summed(torch.cat([tensor.detach().flatten() for tensor in tensors])) / self.count
        pieces = torch.split(flat, [tensor.numel() for tensor in tensors])
        return [
            torch.empty_like(tensor).copy_(piece.view(tensor.shape))
            for tensor, piece in zip(tensors, pieces, strict=True)
        ]

    def summed(self, tensor: Tensor) -> Tensor:
        """The sum over processes.

        Raises:
            DadartsError: as in `averaged`.
        """
        return self._summed(tensor.detach().clone()) if self.several else tensor

    def gathered(self, tensor: Tensor) -> Tensor:
        """The tensors of all processes, stacked by rank.

        Raises:
            DadartsError: as in `averaged`.
        """
        import torch
        from torch import distributed

        if not self.several:
            return tensor.unsqueeze(0)
        found = [torch.empty_like(tensor) for _ in range(self.count)]
        with self._connected():
            distributed.all_gather(found, tensor)
        return torch.stack(found)

    def largest(self, value: int) -> int:
        """The largest value that any process gives.

        Raises:
            DadartsError: as in `averaged`.
        """
        if not self.several:
            return value
        import torch

        return int(self.gathered(torch.tensor(value)).max())

    def in_turn(self, act: Callable[[], Made]) -> Made:
        """`act` in the first process and then in the others, which do not begin where it fails.

        Raises:
            DadartsError: what `act` raises, and as in `averaged`.
        """
        if self.is_first:
            made = act()
            self.largest(0)
            return made
        self.largest(0)
        return act()

    def _summed(self, tensor: Tensor) -> Tensor:
        from torch import distributed

        with self._connected():
            distributed.all_reduce(tensor)
        return tensor

    @contextmanager
    def _connected(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            raise self._told() from error

    def _told(self) -> DadartsError:
        """What another process ended with."""
        # The store itself may have ended with the process that held it.
        with suppress(RuntimeError):
            if self.store.check([_ERROR]):
                code, text = self.store.get(_ERROR).decode().split(" ", 1)
                return InputError(text) if int(code) == InputError.exit_code else RunError(text)
        return RunError("another process of this run has ended; the last checkpoint is kept")

    def tell(self, error: DadartsError) -> None:
        """Tell the other processes why this one ends; the first reason is kept."""
        with suppress(RuntimeError):
            self.store.compare_set(_ERROR, "", f"{error.exit_code} {error.marked}")


ALONE = Processes()


def from_environment(environment: Mapping[str, str] = os.environ) -> Processes:
    """This process as ``torch.distributed.run`` started it; `ALONE` where it did not.

    Raises:
        InputError: there are processes on other machines, or no launcher has set such an environment.
    """
    count = _whole("WORLD_SIZE", environment.get("WORLD_SIZE", "1"), least=1)
    if count == 1:
        return ALONE
    if environment.get("LOCAL_WORLD_SIZE", str(count)) != str(count):
        raise InputError("processes on several machines are not supported; leave out `--nnodes`, or give `--nnodes 1`")
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        if not environment.get(name):
            raise InputError(
                f"WORLD_SIZE is in the environment without {name}; unset it, or start with {' '.join(LAUNCHER)} N"
            )
    _whole("MASTER_PORT", environment["MASTER_PORT"], least=1, most=65535)
    return Processes(_whole("RANK", environment["RANK"], least=0, most=count - 1), count)


def _whole(name: str, text: str, least: int, most: int = 10**6) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 9 and least <= int(text) <= most):
        raise InputError(
            f"{name} {text[:40]!r} in the environment is no number from {least} to {most}; unset it, or start with "
            f"{' '.join(LAUNCHER)} N"
        )
    return int(text)


@contextmanager
def joined(processes: Processes) -> Iterator[Processes]:
    """The processes of a run with connections between them: gloo for tensors on a CPU, NCCL for those on CUDA."""
    if not processes.several:
        yield processes
        return
    import torch
    from torch import distributed
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    # Default arguments in there take hold of a group that exists when it is imported, as optimizers do: the group's
    # threads would then outlive the interpreter and abort the process.
    import_module("torch.distributed.nn.functional")
    store, _, _ = next(iter(rendezvous("env://", timeout=_PATIENCE)))
    connected = replace(processes, store=PrefixStore("dadarts", store))
    distributed.init_process_group(
        "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo",
        store=PrefixStore("torch", store),
        rank=processes.rank,
        world_size=processes.count,
        timeout=_PATIENCE,
    )
    try:
        yield connected
    except DadartsError as error:
        connected.tell(error)
        raise
    finally:
        distributed.destroy_process_group()
