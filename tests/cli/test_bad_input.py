"""Whatever a user gives that cannot be used is answered with one line, an exit code, and nothing left behind."""

from __future__ import annotations

import errno
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest
import torch
from torch import Tensor

from dadarts import files
from dadarts.architecture.network import Network
from dadarts.cli.flags import flags_of
from dadarts.cli.techniques import Techniques
from dadarts.config import SearchConfig, TrainConfig
from dadarts.errors import RunError
from dadarts.runs import checkpoint
from dadarts.searching.bilevel import Bilevel
from tests.commands import (
    DARTS_GENOTYPE,
    TINIEST,
    TINY_TRAINING,
    Outcome,
    Running,
    augment,
    call,
    check_refusal,
    history,
    modern,
    refusal,
    search,
    succeed,
    without_pictures,
)

SEARCH = ["-name", "it", *TINIEST]
TRAINING = ["-name", "it", *TINY_TRAINING]


@pytest.fixture(autouse=True)
def _in_an_empty_folder_without_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)


def changed(words: list[str], flag: str, value: str) -> list[str]:
    """The words with another value of a flag."""
    place = words.index(flag) + 1
    return [*words[:place], value, *words[place + 1 :]]


@pytest.mark.parametrize(
    ("flag", "value", "said"),
    [
        ("-dataset", "digit", "Did you mean 'digits'"),
        ("-dataset", "cifar1000", "Did you mean 'cifar100'"),
        ("-dataset", "nowhere/at/all", "nowhere/at/all"),
        ("-dataset", "x" * 5000, "..."),
        ("-dataset", "", "-dataset"),
        ("-search_space", "dart", "Did you mean 'darts'"),
        ("-search_space", "s1", "Did you mean 'S1'"),
        ("-search_space", "", "unknown search space"),
        ("-name", "", "-name"),
        ("-name", "   ", "-name"),
        ("-name", "../x", "no slash"),
        ("-name", "a/b", "no slash"),
        ("-name", "..", "no leading dot"),
        ("-name", "n" * 300, "1 to 200 bytes"),
        ("-batch_size", "1000", "a batch of 1000 is more than the"),
        ("-batch_size", "1", "-batch_size 1"),
        ("-device", "gpu", "-device gpu"),
        ("-nodes", "99", "-nodes 99"),
        ("-epochs", "1.5", "-epochs 1.5"),
        ("-epochs", "", "-epochs"),
    ],
)
def test_a_search_refuses_a_value_that_cannot_be_used(flag: str, value: str, said: str) -> None:
    assert said in refusal(search, *changed(SEARCH, flag, value))


@pytest.mark.parametrize("flag", ["-name", "-dataset"])
def test_what_must_be_given_is_asked_for(flag: str) -> None:
    place = SEARCH.index(flag)
    without = [*SEARCH[:place], *SEARCH[place + 2 :]]
    assert refusal(search, *without) == f"search.py: {flag} must be given"
    assert refusal(modern, "search", *without) == f"dadarts: {flag} must be given"
    place = TRAINING.index("-genotype")
    assert refusal(augment, *TRAINING[:place]) == "augment.py: -genotype must be given"


@pytest.mark.parametrize("more", [[], ["-w_lr", "nan"], ["-dataset", "nowhere"], ["-genotype", "no such"]])
def test_resume_and_overwrite_exclude_each_other_before_anything_else_is_looked_at(more: list[str]) -> None:
    said = "-resume continues a run and -overwrite replaces it; give one of them"
    both = ["-name", "it", "-resume", "-overwrite"]
    if "-genotype" not in more:
        assert refusal(search, *both, *more) == f"search.py: {said}"
        assert refusal(modern, "search", *both, *more) == f"dadarts: {said}"
    if "-w_lr" not in more:
        assert refusal(augment, *both, *more) == f"augment.py: {said}"
        assert refusal(modern, "train", *both, *more) == f"dadarts: {said}"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["-topk_on_alpha"], "Did you mean '-topk_on_alphas'"),
        (["-genotype", "x"], "unknown flag -genotype"),
        (["-hd_on_weights", "perhaps"], "unexpected 'perhaps'"),
        (["-nesterov=perhaps"], "-nesterov perhaps"),
        (["-resume=perhaps"], "-resume perhaps: give True or False"),
        (["-w_lr", "-1e-3"], "-w_lr -1e-3"),
        (["-gpus", "zero", "-device=auto"], "is given twice"),
        (["-topk_on_alphas", "-topk_k_edge", "99"], "-topk_k_edge 99"),
        (["-topk_on_alphas", "-topk_k_edge", "0", "-topk_k_node", "0"], "both levels"),
        (["-first_order", "-single_level_optimization"], "exclude each other"),
        (["-restarts", "3"], "-epochs 2 cannot be shared equally by -restarts 3"),
        (["-image_size", "8"], "image size"),
    ],
)
def test_a_search_refuses_flags_that_cannot_be_meant(more: list[str], said: str) -> None:
    assert said in refusal(search, *SEARCH, *more)


def test_a_device_that_is_not_there_is_refused() -> None:
    if not torch.cuda.is_available():
        assert "this machine has 0" in refusal(search, *changed(SEARCH, "-device", "cuda"))
        assert "CUDA device 3" in refusal(search, *changed(SEARCH, "-device", "auto"), "-gpus", "3")
    for device in ("cpu", "mps"):
        said = refusal(search, *changed(SEARCH, "-device", device), "-gpus", "0")
        assert f"-gpus 0 is the index of a CUDA device, and does not go with -device {device}" in said
    assert "-gpus ²" in refusal(search, *changed(SEARCH, "-device", "auto"), "-gpus", "²")
    assert "-gpus one" in refusal(search, *changed(SEARCH, "-device", "auto"), "-gpus", "one")
    assert "99" in refusal(search, *changed(SEARCH, "-device", "cuda"), "-gpus", "99")


@pytest.mark.parametrize(
    ("option", "more"),
    [
        (["-dal_target", "none"], ["-dal_on_alphas"]),
        (["-normal_none_penalty", "1"], []),
        (["-option", "2"], ["-topk_on_alphas", "-justtopk"]),
    ],
)
def test_a_technique_that_the_space_has_no_place_for_is_refused(option: list[str], more: list[str]) -> None:
    space = "nas-bench-201" if option[0] == "-option" else "S2"
    nodes = "3" if option[0] == "-option" else "2"
    said = refusal(search, *changed(changed(SEARCH, "-search_space", space), "-nodes", nodes), *option, *more)
    assert space in said


@pytest.mark.parametrize(
    ("genotype", "said"),
    [
        (DARTS_GENOTYPE.replace("sep_conv_3x3", "sep_conv_9x9"), "Did you mean 'sep_conv_"),
        (DARTS_GENOTYPE.replace("('skip_connect', 1)", "('skip_connect', 2)"), "normal node 2 reads 2"),
        (DARTS_GENOTYPE.replace("('skip_connect', 1)", "('skip_connect', -1)"), "normal node 2 reads -1"),
        (DARTS_GENOTYPE.replace("normal_concat=[2]", "normal_concat=[3]"), "normal_concat must name nodes"),
        (DARTS_GENOTYPE.replace("normal_concat=[2]", "normal_concat=[]"), "normal_concat must name nodes"),
        (DARTS_GENOTYPE.replace("normal=", "norm="), "reduce_concat; this one lacks normal"),
        (DARTS_GENOTYPE[:-1] + ", more=[1])", "this one has besides more"),
        (DARTS_GENOTYPE.replace("skip_connect", "none"), "'none'"),
        (DARTS_GENOTYPE[:-1], "not a genotype"),
        (DARTS_GENOTYPE + " ; import os", "not a genotype"),
        ("Genotype(normal=[], normal_concat=[], reduce=[], reduce_concat=[])", "list of nodes"),
        ("|nor_conv_3x3~0|+|none~0|", "node 2"),
        ("|nor_conv_3x3~1|", "node 1"),
        ("|conv~0|", "unknown operation 'conv'"),
        ("{}", "not a genotype"),
        ("{" * 2000, "not a genotype"),
        ("__import__('os').system('touch pwned')", "not a genotype"),
        (DARTS_GENOTYPE.replace("[2]", "__import__('os').system('touch pwned')", 1), "not a genotype"),
        (DARTS_GENOTYPE.replace("'skip_connect'", "open('pwned', 'w')"), "expected ('operation', input)"),
        ("a" * 100_000, "too long"),
    ],
)
def test_a_training_refuses_what_is_no_genotype_and_runs_none_of_it(genotype: str, said: str) -> None:
    assert said in refusal(augment, *changed(TRAINING, "-genotype", genotype))
    assert said in refusal(modern, "show", genotype)
    Path("genotype.txt").write_text(genotype)
    assert said in refusal(augment, *changed(TRAINING, "-genotype", "genotype.txt"))
    assert not Path("pwned").exists()


def test_a_genotype_of_many_brackets_is_refused_in_a_process_of_its_own(tmp_path: Path) -> None:
    many = "Genotype(normal=" + "[" * 100_000
    running = Running("augment", changed(TRAINING, "-genotype", many), tmp_path)
    outcome = Outcome(running.end(), running.out, running.err)
    check_refusal(outcome)
    assert "too long" in outcome.err
    assert {path.name for path in tmp_path.iterdir()} == {"stdout", "stderr"}


@pytest.mark.parametrize("content", [b"[" * 10**5, b"Genotype(" * 7000, b"\xff\xfe\x00", b"", b"{" * 60_000])
def test_a_genotype_file_that_holds_none_is_refused(content: bytes) -> None:
    for name in ("genotype.txt", "genotype.json", "genotype"):
        Path(name).write_bytes(content)
        refusal(augment, *changed(TRAINING, "-genotype", name))
        refusal(modern, "show", name)


def test_a_training_refuses_a_batch_larger_than_its_part() -> None:
    assert "a batch of 500 is more than the" in refusal(augment, *changed(TRAINING, "-batch_size", "500"))
    assert "a batch of 140 is more than the" in refusal(
        augment, *changed(TRAINING, "-batch_size", "140"), "-valid_fraction", "0.5"
    )


def numeric(model: Any) -> list[str]:
    """The settings of a configuration that are numbers."""
    return [
        name
        for name, field in model.model_fields.items()
        if any(kind in str(field.annotation) for kind in ("int", "float")) and field.annotation is not bool
    ]


NUMERIC = [
    *(("search", name) for name in (*numeric(SearchConfig), *numeric(Techniques))),
    *(("augment", name) for name in numeric(TrainConfig)),
]


def test_every_numeric_setting_is_among_those_that_are_tried() -> None:
    assert len(NUMERIC) > 45
    assert {("search", "w_lr"), ("search", "topk_k_node"), ("augment", "drop_path_prob")} <= set(NUMERIC)
    booleans = {
        flag.names[0] for model in (SearchConfig, TrainConfig, Techniques) for flag in flags_of(model) if flag.boolean
    }
    assert not booleans & {name for _, name in NUMERIC}


@pytest.mark.parametrize(("entry", "name"), NUMERIC)
def test_a_number_that_is_none_or_out_of_range_is_refused(entry: str, name: str) -> None:
    command, words = (search, SEARCH) if entry == "search" else (augment, TRAINING)
    place = words.index(f"-{name}") if f"-{name}" in words else len(words)
    rest = [*words[:place], *words[place + 2 :]]
    values = [
        "nan",
        "inf",
        "-inf",
        "1e400",
        "1e30",
        "-1e30",
        "9" * 30,
        "9" * 5000,
        "-7777777",
        "1,5",
        "0x1",
        "²",
        "--",
    ]
    for value in values:
        said = refusal(command, *rest, f"-{name}={value}")
        assert said.startswith(f"{entry}.py: -{name} ")


def test_a_runs_folder_that_is_a_file_is_refused() -> None:
    Path("runs").write_text("mine")
    for entry, words in ((search, SEARCH), (augment, TRAINING)):
        assert "runs is a file" in refusal(entry, *words)
        assert "runs is a file" in refusal(entry, "-name", "it", "-resume")
    Path("folder/search").mkdir(parents=True)
    Path("folder/search/it").write_text("mine")
    assert "folder/search/it is a file" in refusal(search, *SEARCH, "-runs_dir", "folder", "-overwrite")
    assert Path("runs").read_text() == Path("folder/search/it").read_text() == "mine"
    assert "cannot be used" in refusal(search, *SEARCH, "-runs_dir", "x" * 5000)


def test_a_folder_that_cannot_be_written_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("locked").mkdir(mode=0o500)
    if os.access("locked", os.W_OK):
        monkeypatch.setattr(os, "access", lambda *_: False)
    assert "cannot be written" in refusal(search, *SEARCH, "-runs_dir", "locked")


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="no /proc, where nobody makes a folder")
@pytest.mark.parametrize("entry", ["search", "augment"])
def test_a_place_where_no_folder_can_be_made_is_refused(entry: str) -> None:
    command, words = (search, SEARCH) if entry == "search" else (augment, TRAINING)
    said = refusal(command, *words, "-runs_dir", "/proc/x")
    assert said.startswith(f"{entry}.py: /proc")
    assert said.endswith("give another -runs_dir")
    assert "--runs_dir" in refusal(modern, "search", *words_of_two_dashes(SEARCH), "--runs_dir", "/proc/x")


def words_of_two_dashes(words: list[str]) -> list[str]:
    return [f"-{word}" if word.startswith("-") else word for word in words]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_disk_without_room_for_a_folder_is_no_fault_of_the_user_s(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, *_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number), str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    said = refusal(search, *SEARCH, code=1)
    assert said == f"search.py: cannot write runs/search/it: {os.strerror(number)}"


def check_failure(outcome: Outcome) -> str:
    """A run that could not go on: exit code 1, nothing on stdout, and the reason in the last line."""
    assert (outcome.code, outcome.out) == (1, "")
    assert "Traceback" not in outcome.err
    lines = [line for line in outcome.err.splitlines() if line.startswith(("search.py:", "augment.py:", "dadarts:"))]
    assert lines == outcome.err.splitlines()[-1:]
    return lines[0]


@contextmanager
def full_disk(monkeypatch: pytest.MonkeyPatch, failing: str) -> Iterator[None]:
    """A disk that has no room left for a while."""
    real = torch.save

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def save_a_part(content: object, path: Path) -> None:
        real(content, path)
        os.truncate(path, 100)
        raise RuntimeError("[enforce fail at inline_container.cc:800] . PytorchStreamWriter failed writing file")

    with monkeypatch.context() as patch:
        if failing == "fsync":
            patch.setattr(os, "fsync", refuse)
        elif failing == "save":
            patch.setattr(torch, "save", refuse)
        else:
            patch.setattr(torch, "save", save_a_part)
        yield


@pytest.mark.parametrize("failing", ["fsync", "save", "save after a part"])
@pytest.mark.parametrize("entry", ["search", "augment"])
def test_a_full_disk_ends_the_run_and_keeps_the_last_checkpoint(
    entry: str, failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, words = (search, [*SEARCH, "-first_order"]) if entry == "search" else (augment, TRAINING)
    words = changed(words, "-epochs", "1")
    path = Path("runs") / entry / "it/checkpoints/last.pt"
    taken = 0
    save = checkpoint.save

    def save_thrice(*arguments: Any) -> None:
        nonlocal taken
        taken += 1
        if taken > 3:
            with full_disk(monkeypatch, failing):
                save(*arguments)
        else:
            save(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", save_thrice)
        said = check_failure(call(command, *words, "-checkpoint_minutes", "0"))
    assert "last.pt" in said
    assert "what was there before is kept" in said
    assert checkpoint.load(path, entry)[1]["position"]["step"] == 2
    assert [entry.name for entry in path.parent.iterdir()] == ["last.pt"]
    succeed(command, *words, "-resume")
    assert len(history(path.parents[1])) == 1


@pytest.mark.parametrize("failing", ["fsync", "save after a part"])
def test_a_full_disk_at_the_first_checkpoint_is_said_in_plain_words(
    failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = checkpoint.save

    def save_on_a_full_disk(*arguments: Any) -> None:
        with full_disk(monkeypatch, failing):
            save(*arguments)

    monkeypatch.setattr(checkpoint, "save", save_on_a_full_disk)
    outcome = call(search, *SEARCH)
    reason = os.strerror(errno.ENOSPC) if failing == "fsync" else "the disk is full, or fails"
    assert check_failure(outcome) == f"search.py: cannot write runs/search/it/checkpoints/last.pt: {reason}"
    assert "PytorchStreamWriter" not in outcome.err


def test_a_list_that_cannot_be_written_says_what_is_kept_where_there_is_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "list.csv"
    for content, end in ((None, "No space left on device"), ("before", "; what was there before is kept")):
        if content is not None:
            path.write_text(content)
        with full_disk(monkeypatch, "fsync"), pytest.raises(RunError) as failed, files.writing(path) as file:
            file.write("after")
        assert str(failed.value).endswith(end)
        assert (path.read_text() if path.exists() else None) == content
    assert [entry.name for entry in tmp_path.iterdir()] == ["list.csv"]


def test_a_disk_that_fills_up_for_real_ends_the_run_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    place = tmp_path / "small"
    place.mkdir()
    succeed(search, *changed(SEARCH, "-epochs", "1"), "-runs_dir", "measured")
    room = 3 * Path("measured/search/it/checkpoints/last.pt").stat().st_size // 2
    mount = ["mount", "-t", "tmpfs", "-o", f"size={room}", "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk is not permitted here")
    try:
        outcome = call(search, *SEARCH, "-runs_dir", str(place), "-checkpoint_minutes", "0")
        check_failure(outcome)
        assert "what was there before is kept" in outcome.err
        assert checkpoint.load(place / "search/it/checkpoints/last.pt", "search")[1]["position"]["epoch"] == 0
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_fills_up_while_logging_ends_the_run_with_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = files.open_to_append

    def refuse_log(path: Path) -> IO[bytes]:
        if path.name == "log.txt":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return opened(path)

    monkeypatch.setattr(files, "open_to_append", refuse_log)
    outcome = call(search, *SEARCH)
    assert (outcome.code, outcome.out) == (1, "")
    assert "log.txt: No space left on device" in outcome.err.splitlines()[-1]


def test_a_loss_that_is_not_finite_ends_a_search_and_keeps_the_last_good_checkpoint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps = 0
    gradient = Bilevel.weight_gradient

    def broken(self: Bilevel, batch: Any, mixing: Any) -> tuple[list[Tensor], Tensor, Tensor]:
        nonlocal steps
        gradients, loss, logits = gradient(self, batch, mixing)
        steps += 1
        return gradients, loss * (float("nan") if steps == 6 else 1), logits

    with monkeypatch.context() as patch:
        patch.setattr(Bilevel, "weight_gradient", broken)
        said = check_failure(call(search, *SEARCH, "-first_order"))
    assert "the loss is nan in epoch 2, step 2" in said
    assert "runs/search/it/checkpoints/last.pt" in said
    assert checkpoint.load(Path("runs/search/it/checkpoints/last.pt"), "search")[1]["position"]["epoch"] == 1
    succeed(search, *SEARCH, "-first_order", "-resume")
    assert len(history(Path("runs/search/it"))) == 2


def test_a_loss_that_is_not_finite_ends_a_training_and_keeps_the_last_good_checkpoint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps = 0
    forward = Network.forward_with_auxiliary

    def broken(self: Network, *arguments: Any) -> tuple[Tensor, Tensor | None]:
        nonlocal steps
        logits, side = forward(self, *arguments)
        steps += 1
        return logits * (float("inf") if steps == 10 else 1), side

    with monkeypatch.context() as patch:
        patch.setattr(Network, "forward_with_auxiliary", broken)
        said = check_failure(call(augment, *TRAINING, "-engine", "reference"))
    assert "the loss is nan in epoch 2, step 2" in said
    state = checkpoint.load(Path("runs/augment/it/checkpoints/last.pt"), "augment")[1]
    assert state["position"]["epoch"] == 1
    assert all(bool(tensor.isfinite().all()) for tensor in state["network"].values())
    succeed(augment, *TRAINING, "-resume")


def test_weights_that_overflow_never_reach_a_checkpoint() -> None:
    settings = ["-w_grad_clip", "0", "-w_lr", "1000", "-checkpoint_minutes", "0", "-w_weight_decay", "1000"]
    said = check_failure(call(search, *changed(SEARCH, "-epochs", "60"), *settings))
    assert "epoch" in said
    assert "step" in said
    state = checkpoint.load(Path("runs/search/it/checkpoints/last.pt"), "search")[1]
    assert state["position"] != {}
    assert all(bool(tensor.isfinite().all()) for tensor in (*state["weights"].values(), *state["alphas"].values()))
    saved = json.loads(Path("runs/search/it/config.json").read_text())["settings"]
    assert saved["w_lr"] == 1000


def test_a_run_in_a_folder_called_memory_says_what_ended_it() -> None:
    settings = ["-w_grad_clip", "0", "-w_lr", "1000", "-w_weight_decay", "1000", "-runs_dir", "memory"]
    said = check_failure(call(search, *changed(SEARCH, "-epochs", "60"), *settings))
    assert "memory/search/it/checkpoints/last.pt" in said
    assert "out of memory" not in said


@contextmanager
def broken_step(monkeypatch: pytest.MonkeyPatch, what: Callable[[], object]) -> Iterator[None]:
    """Every weight step does this first."""
    gradient = Bilevel.weight_gradient

    def broken(self: Bilevel, batch: Any, mixing: Any) -> tuple[list[Tensor], Tensor, Tensor]:
        what()
        return gradient(self, batch, mixing)

    with monkeypatch.context() as patch:
        patch.setattr(Bilevel, "weight_gradient", broken)
        yield


def raising(error: Exception) -> Callable[[], object]:
    def act() -> object:
        raise error

    return act


@pytest.mark.parametrize(
    "what",
    [
        lambda: torch.empty(2**50),
        raising(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")),
        raising(RuntimeError("CUDA error: out of memory")),
        raising(RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)")),
        raising(RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes.")),
        raising(MemoryError()),
    ],
    ids=["this machine", "CUDA", "CUDA's driver", "MPS", "Windows", "Python"],
)
def test_memory_that_is_not_there_is_one_line(what: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    with broken_step(monkeypatch, what):
        said = check_failure(call(search, *SEARCH))
    assert said == "search.py: out of memory: give a smaller -batch_size, -init_channels or -layers"


@pytest.mark.parametrize(
    ("words", "smaller"),
    [
        (["fit", "digits", "--threads", "1"], ": give a smaller --max_parameters or --max_multiply_adds"),
        (["predict", "it", "one.png"], ": give a smaller --batch_size"),
        (["export", "it"], ""),
    ],
)
def test_what_needs_less_memory_is_what_the_command_takes(
    words: list[str], smaller: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for what in ("dadarts.fitting.loop.load", "dadarts.training.export.load", "dadarts.bundle.making.export"):
        monkeypatch.setattr(what, lambda *_, **__: raising(MemoryError())())
    said = check_failure(call(modern, *words))
    assert said.splitlines()[-1] == f"dadarts: out of memory{smaller}"


def test_a_file_that_is_refused_before_a_first_checkpoint_is_not_said_to_be_behind_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dadarts.searching.loop.build", lambda *_, **__: raising(OSError(5, "I/O error", "x"))())
    assert check_failure(call(search, *SEARCH)) == "search.py: x: I/O error"


def test_a_fault_that_speaks_of_memory_is_not_taken_for_a_lack_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    fault = RuntimeError("unsupported memory format option ChannelsLast3d")
    with broken_step(monkeypatch, raising(fault)), pytest.raises(RuntimeError) as caught:
        call(search, *SEARCH)
    assert caught.value is fault
