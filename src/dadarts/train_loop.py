"""Training a genotype's network from scratch (arXiv 1806.09055, section 3.2), its test set read once, at the end."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from dadarts import atomic, checkpoint, compute, export, report
from dadarts.cells import Macro
from dadarts.config import TrainConfig
from dadarts.data import Augmentation, DataRequest, DataSet, Loader, hold_out, load, stratified_part
from dadarts.errors import InputError, RunError
from dadarts.events import EpochDone, Event, Note, RunStarted, StepDone, TrainDone, ValidationStep
from dadarts.journal import Journal
from dadarts.network import DropPath, Network, count_multiply_adds, count_parameters
from dadarts.position import Position
from dadarts.runfolder import RunFolder
from dadarts.schedules import Progress, cosine
from dadarts.seeds import generator, seeded

Columns = dict[str, float | int | None]


def train(config: TrainConfig, *, resume: bool = False, overwrite: bool = False) -> Iterator[Event]:
    """Train, leave everything in ``runs/augment/NAME``, and yield what happens.

    Stopping and resuming work as in `dadarts.search`.

    Raises:
        InputError: the configuration, the data or the name cannot be used; nothing was created.
        RunError: the run cannot go on; the last checkpoint is kept.
    """
    folder = RunFolder(config.runs_dir / "augment" / config.name)
    folder.check(resume, overwrite)
    if resume:
        folder.refuse_other_settings(config)
        finished = folder.result()
        if finished is not None:
            yield TrainDone(folder.path, _metrics(finished, folder), _pictures(config, folder))
            return
    state = _build(folder.as_computed(config) if resume else config)
    with folder.claimed(resume, overwrite):
        run = _Run(config, folder, state)
        if resume:
            run.restore()
        else:
            run.begin()
        yield from run.events()


@dataclass
class _State:
    network: Network
    sgd: torch.optim.SGD
    data: DataSet
    loader: Loader
    selection: Loader | None
    device: torch.device
    threads: int
    position: Position = field(default_factory=Position)
    history: list[Columns] = field(default_factory=list)
    best: tuple[float, dict[str, Tensor]] | None = None


def _build(config: TrainConfig) -> _State:
    device = compute.pick_device(config)
    data = load(DataRequest(config.dataset, config.data_path, config.image_size, config.cache_dir, config.workers))
    colours, height, width = data.train.shape
    threads = compute.pick_threads(config, height * width, config.init_channels, config.batch_size)
    compute.prepare(device, threads)
    loader, selection = _loaders(config, data, device)
    macro = Macro(
        config.init_channels, config.layers, (colours, height, width), len(data.classes), config.stem_multiplier
    )
    with seeded(config.seed, "weights"):
        network = compute.placed(Network(config.genotype, macro, config.has_auxiliary_head), device)
    sgd = torch.optim.SGD(
        network.parameters(), lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay, foreach=True
    )
    return _State(network, sgd, data, loader, selection, device, threads)


def _loaders(config: TrainConfig, data: DataSet, device: torch.device) -> tuple[Loader, Loader | None]:
    index = stratified_part(data.train.labels, config.dataset_portion, config.seed)
    selection = None
    if config.valid_fraction:
        kept, held = hold_out(data.train.labels[index], config.valid_fraction, config.seed)
        index, held_index = index[kept], index[held]
        selection = _loader(config, data, held_index, "validation", None, device)
    augment = Augmentation.standard(data.train.shape, flip=data.flip, cutout=config.cutout_length)
    return _loader(config, data, index, "train", augment, device), selection


def _loader(
    config: TrainConfig,
    data: DataSet,
    index: Tensor,
    stream: str,
    augment: Augmentation | None,
    device: torch.device,
) -> Loader:
    pictures = data.test if stream == "test" else data.train
    return Loader(
        pictures, index, config.batch_size, data.mean, data.std, config.seed, stream, augment, device, config.workers
    )


class _Run:
    def __init__(self, config: TrainConfig, folder: RunFolder, state: _State) -> None:
        self.config = config
        self.folder = folder
        self.state = state
        self.saved_at = time.monotonic()

    def begin(self) -> None:
        """Write the first checkpoint and, last, the configuration that makes the folder a run."""
        self.save()
        atomic.write_text(self.folder.path / "genotype.txt", f"{self.config.genotype}\n")
        atomic.write_text(self.folder.path / "genotype.json", self.config.genotype.to_json())
        self.folder.write_config(self.config.to_json(), compute.versions(self.state.device, self.state.threads))

    def save(self) -> None:
        state = self.state
        content = {
            "network": state.network.state_dict(),
            "sgd": state.sgd.state_dict(),
            "position": asdict(state.position),
            "history": state.history,
            "best": state.best,
        }
        checkpoint.save(self.folder.checkpoint, "augment", self.config.to_json(), content)
        self.saved_at = time.monotonic()

    def restore(self) -> None:
        """Go on from the last checkpoint.

        Raises:
            InputError: it is of another configuration or computed otherwise, or it is damaged.
        """
        state = self.state
        settings, saved = checkpoint.load(self.folder.checkpoint, "augment")
        self.folder.refuse_differences(self.config.differences(settings))
        self.folder.refuse_other_compute(str(state.device), state.threads)
        try:
            state.network.load_state_dict(saved["network"])
            state.sgd.load_state_dict(saved["sgd"])
            state.position = Position(**saved["position"])
            state.history, state.best = saved["history"], saved["best"]
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise InputError(f"{self.folder.checkpoint} does not fit this training ({type(error).__name__})") from None

    def _save_if_due(self) -> None:
        if time.monotonic() - self.saved_at > 60 * self.config.checkpoint_minutes:
            self.save()

    def events(self) -> Iterator[Event]:
        """Every step and epoch that is left, and the result."""
        config, state = self.config, self.state
        yield RunStarted(
            self.folder.path,
            f"training on {config.dataset}: {config.layers} layers, {config.init_channels} channels, "
            f"{count_parameters(state.network):,} parameters; {state.loader.steps()} steps an epoch, "
            f"{config.epochs} epochs on {state.device} with {state.threads} threads",
        )
        if config.aux_weight and not config.has_auxiliary_head:
            yield Note("the nas-bench-201 skeleton has no auxiliary head: -aux_weight has no effect")
        try:
            with Journal(self.folder.path, state.position.epoch) as journal:
                while state.position.epoch < config.epochs:
                    progress = Progress(state.position.epoch, config.epochs)
                    yield from self._steps(progress)
                    row = yield from self._row(progress)
                    self._close_epoch(row)
                    journal.epoch(row)
                    yield EpochDone(progress.epoch, config.epochs, row)
            if state.best is not None:
                state.network.load_state_dict(state.best[1])
            metrics = yield from self._tested()
        except GeneratorExit:
            self.save()
            raise
        self._export(metrics)
        yield TrainDone(self.folder.path, metrics, _pictures(config, self.folder))

    def _steps(self, progress: Progress) -> Iterator[Event]:
        config, state = self.config, self.state
        position, steps = state.position, state.loader.steps()
        state.network.train()
        for group in state.sgd.param_groups:
            group["lr"] = cosine(config.lr, 0.0, progress)
        batches = state.loader.epoch(progress.epoch, position.step)
        while position.step < steps:
            began = time.monotonic()
            batch = next(batches)
            drop_path = DropPath(config.drop_path_prob * progress.fraction, generator(batch.key, "drop-path"))
            logits, side = state.network.forward_with_auxiliary(batch.images, drop_path, batch.key)
            loss = F.cross_entropy(logits, batch.labels)
            total = loss if side is None else loss + config.aux_weight * F.cross_entropy(side, batch.labels)
            value = loss.item()
            if not math.isfinite(value):
                raise RunError(
                    f"the loss is {value} in epoch {progress.epoch}, batch {position.step}; lower -lr. "
                    f"The last good checkpoint is {self.folder.checkpoint}"
                )
            state.sgd.zero_grad()
            total.backward()  # type: ignore[no-untyped-call]
            if config.grad_clip:
                torch.nn.utils.clip_grad_norm_(state.network.parameters(), config.grad_clip)
            state.sgd.step()
            position.add(value, int((logits.argmax(dim=1) == batch.labels).sum()), len(batch.labels))
            position.seconds += time.monotonic() - began
            self._save_if_due()
            yield StepDone(
                progress.epoch,
                config.epochs,
                position.step,
                steps,
                position.mean_loss,
                position.top1,
                position.seen / position.seconds,
            )

    def _row(self, progress: Progress) -> Generator[Event, None, Columns]:
        config, position = self.config, self.state.position
        row: Columns = {
            "epoch": progress.epoch,
            "weight_lr": cosine(config.lr, 0.0, progress),
            "drop_path": config.drop_path_prob * progress.fraction,
            "train_loss": position.mean_loss,
            "train_top1": position.top1,
        }
        if self.state.selection is not None:
            loss, top1 = yield from self._evaluated(self.state.selection, progress.epoch)
            row |= {"valid_loss": loss, "valid_top1": top1}
            if self.state.best is None or top1 > self.state.best[0]:
                kept = {name: tensor.detach().clone() for name, tensor in self.state.network.state_dict().items()}
                self.state.best = (top1, kept)
        return row | {"seconds": position.seconds, "images_per_second": position.seen / position.seconds}

    def _evaluated(self, loader: Loader, epoch: int) -> Generator[Event, None, tuple[float, float]]:
        self.state.network.eval()
        loss, correct, seen = 0.0, 0, 0
        for step, batch in enumerate(loader.epoch(0), 1):
            with torch.no_grad():
                logits = self.state.network(batch.images, noise_key=batch.key)
            loss += F.cross_entropy(logits, batch.labels, reduction="sum").item()
            correct += int((logits.argmax(dim=1) == batch.labels).sum())
            seen += len(batch.labels)
            self._save_if_due()
            yield ValidationStep(epoch, self.config.epochs, step, loader.steps())
        return loss / seen, correct / seen

    def _tested(self) -> Generator[Event, None, dict[str, float | int]]:
        config, state = self.config, self.state
        everything = torch.arange(len(state.data.test))
        loader = _loader(config, state.data, everything, "test", None, state.device)
        loss, top1 = yield from self._evaluated(loader, config.epochs - 1)
        return {
            "test_top1": top1,
            "test_loss": loss,
            "parameters": count_parameters(state.network),
            "multiply_adds": count_multiply_adds(config.genotype, state.network.macro),
            "seconds": sum(float(row["seconds"] or 0) for row in state.history),
        }

    def _close_epoch(self, row: Columns) -> None:
        state = self.state
        state.history.append(row)
        state.position = state.position.next_epoch()
        self.folder.write_history(state.history)
        self.save()

    def _export(self, metrics: dict[str, float | int]) -> None:
        data = self.state.data
        export.save(self.folder.path / export.FILE, self.state.network, data.classes, data.mean, data.std)
        for path in _pictures(self.config, self.folder):
            if path.stem == "curves":
                report.draw_training(self.state.history, path, self.config.name)
            else:
                path.parent.mkdir(exist_ok=True)
                report.draw_cell(self.config.genotype, path.stem, path, f"{self.config.name}: {path.stem} cell")
        atomic.write_text(self.folder.path / "metrics.json", json.dumps(metrics, indent=1) + "\n")
        self.folder.write_result(json.dumps(metrics))


def _metrics(text: str, folder: RunFolder) -> dict[str, float | int]:
    try:
        metrics: dict[str, float | int] = json.loads(text)
        return {name: metrics[name] for name in ("test_top1", "test_loss", "parameters", "multiply_adds", "seconds")}
    except (ValueError, TypeError, KeyError, RecursionError):
        raise InputError(f"the result in {folder.path} is damaged; replace the run with -overwrite") from None


def _pictures(config: TrainConfig, folder: RunFolder) -> tuple[Path, ...]:
    cells = [folder.path / "cells" / f"{kind}.svg" for kind in config.genotype.cells]
    return (*cells, folder.path / "curves.svg")
