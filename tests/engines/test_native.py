"""Native kernels against torch's own operations, and what happens without a compiler."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from dadarts.engines.choose import pick_engine
from dadarts.engines.native import Kernels, NoCompilerError, Window, build, library
from dadarts.errors import InputError
from tests.commands import TINIEST, modern, succeed, without_pictures
from tests.nets import build_supernet, forget_libraries, macro_of, native_kernels, tiny_space

EPS = 1e-5
SIZES = [(2, 1, 5, 7), (3, 2, 6, 6), (2, 3, 9, 13), (2, 4, 8, 8), (1, 8, 4, 5), (2, 12, 5, 3), (2, 20, 2, 1)]


@pytest.fixture(scope="module")
def kernels() -> Kernels:
    return native_kernels()


def pictures(size: tuple[int, ...], seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(size, generator=draw, dtype=dtype).contiguous(memory_format=torch.channels_last)


def normed(x: Tensor, norm: Tensor) -> Tensor:
    return (x - norm[0].view(1, -1, 1, 1)) * norm[1].view(1, -1, 1, 1)


def norm_by_torch(x: Tensor) -> Tensor:
    return torch.stack((x.mean(dim=(0, 2, 3)), (x.var(dim=(0, 2, 3), correction=0) + EPS).rsqrt()))


def unit_by_torch(window: Window, x: Tensor, depthwise: Tensor, pointwise: Tensor) -> Tensor:
    padding = window.dilation * (window.kernel - 1) // 2
    wide = F.conv2d(x.relu(), depthwise, None, window.stride, padding, window.dilation, groups=x.shape[1])
    return F.conv2d(wide, pointwise)


WINDOWS = [Window(k, d, s) for k in (3, 5) for d in (1, 2) for s in (1, 2)]


UNITS = [
    (window, size, threads)
    for place, window in enumerate(WINDOWS)
    for number, size in enumerate(SIZES)
    for threads in (1, (2, 5)[(place + number) % 2])
]
"""Every window on every size, by one thread and by several, which are few or many by turns."""


@pytest.mark.parametrize(("window", "size", "threads"), UNITS, ids=str)
def test_a_unit_equals_torch_forward_and_backward(
    kernels: Kernels, window: Window, size: tuple[int, ...], threads: int
) -> None:
    channels = size[1]
    x, draw = pictures(size), torch.Generator().manual_seed(1)
    depthwise = torch.randn((channels, 1, window.kernel, window.kernel), generator=draw, dtype=x.dtype)
    pointwise = torch.randn((channels, channels, 1, 1), generator=draw, dtype=x.dtype)
    norm = norm_by_torch(x)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for given in (None, norm):
            leaves = [
                t.clone().requires_grad_() for t in (x if given is None else normed(x, norm), depthwise, pointwise)
            ]
            expected = unit_by_torch(window, *leaves)
            y, y_norm = kernels.unit_forward(window, x, given, depthwise, pointwise, EPS)
            torch.testing.assert_close(y, expected.detach(), rtol=1e-12, atol=1e-12)
            torch.testing.assert_close(y_norm, norm_by_torch(y), rtol=1e-11, atol=1e-11)
            gradient, coefficients = pictures(tuple(y.shape), 2), torch.randn((3, channels), generator=draw).double()
            a, b, d = coefficients.view(3, 1, channels, 1, 1)
            whole = a * gradient + b * y + d
            grads = torch.autograd.grad(expected, leaves, whole)
            x_grad, source = torch.full_like(x, float("nan")), (gradient, y, coefficients)
            for times in (1, 2):
                depthwise_grad, pointwise_grad, _ = kernels.unit_backward(
                    window, x, given, (depthwise, pointwise), source, x_grad, accumulate=times == 2, weights=True
                )
                for ours, theirs in zip((x_grad / times, depthwise_grad, pointwise_grad), grads, strict=True):
                    assert ours is not None
                    torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-11)
    finally:
        torch.set_num_threads(before)


def test_a_unit_s_coefficients_are_those_of_the_batch_norm_before_it(kernels: Kernels) -> None:
    x = pictures((3, 4, 6, 5))
    norm, window = norm_by_torch(x), Window(3)
    depthwise, pointwise = pictures((4, 1, 3, 3), 1).contiguous(), pictures((4, 4, 1, 1), 2).contiguous()
    leaf = x.clone().requires_grad_()
    expected = unit_by_torch(window, F.batch_norm(leaf, None, None, training=True, eps=EPS), depthwise, pointwise)
    gradient = pictures(tuple(expected.shape), 3)
    plain = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64).unsqueeze(1).expand(3, 4).contiguous()
    inner = torch.empty_like(x)
    y, _ = kernels.unit_forward(window, x, norm, depthwise, pointwise, EPS)
    *_, coefficients = kernels.unit_backward(
        window, x, norm, (depthwise, pointwise), (gradient, y, plain), inner, accumulate=False, weights=False
    )
    assert coefficients is not None
    total = torch.empty_like(x)
    for accumulate in (False, True):
        kernels.affine(inner, x, coefficients, total, accumulate)
    torch.testing.assert_close(total / 2, torch.autograd.grad(expected, leaf, gradient)[0], rtol=1e-10, atol=1e-10)


def projection_by_torch(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    if stride == 1:
        return F.conv2d(x.relu(), weight)
    half = weight.shape[0] // 2
    odd = F.pad(x.relu(), (0, 1, 0, 1))[:, :, 1:, 1:]
    return torch.cat((F.conv2d(x.relu(), weight[:half], None, 2), F.conv2d(odd, weight[half:], None, 2)), dim=1)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("out", [2, 7, 16])
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("threads", [1, 3])
def test_a_projection_equals_torch_forward_and_backward(
    kernels: Kernels, stride: int, out: int, size: tuple[int, ...], threads: int
) -> None:
    x = pictures(size).requires_grad_()
    draw = torch.Generator().manual_seed(1)
    weight = torch.randn((out, size[1], 1, 1), generator=draw, dtype=x.dtype, requires_grad=True)
    expected = projection_by_torch(x, weight, stride)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        y, norm = kernels.project_forward(x.detach(), weight.detach(), stride, EPS, normed=False)
        torch.testing.assert_close(y, expected.detach(), rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(norm, norm_by_torch(y), rtol=1e-10, atol=1e-10)
        applied, _ = kernels.project_forward(x.detach(), weight.detach(), stride, EPS, normed=True)
        torch.testing.assert_close(applied, normed(y, norm), rtol=1e-10, atol=1e-10)
        gradient, behind = pictures(tuple(y.shape), 2), F.batch_norm(expected, None, None, training=True, eps=EPS)
        for source, whole in (((gradient, applied, norm), behind), ((gradient, None, None), expected)):
            theirs = torch.autograd.grad(whole, (x, weight), gradient, retain_graph=True)
            ours = kernels.project_backward(x.detach(), weight.detach(), stride, source, (True, True))
            for one, other in zip(ours, theirs, strict=True):
                assert one is not None
                torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-11)
        assert kernels.project_backward(x.detach(), weight.detach(), stride, source, (False, False)) == (None, None)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_pools_equal_torch_forward_and_backward(kernels: Kernels, stride: int, size: tuple[int, ...]) -> None:
    x, window = pictures(size).requires_grad_(), Window(3, stride=stride)
    average = F.avg_pool2d(x, 3, stride, 1, count_include_pad=False)
    y, norm = kernels.average_forward(window, x.detach(), EPS)
    gradient, x_grad = pictures(tuple(y.shape), 1), torch.empty_like(x)
    kernels.average_backward(window, gradient, x_grad)
    assert norm is not None
    torch.testing.assert_close(y, average.detach(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(norm, norm_by_torch(y), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(x_grad, torch.autograd.grad(average, x, gradient)[0], rtol=1e-12, atol=1e-12)

    # Rectified, so that many numbers of a window are equal and the first of them must win.
    flat = x.detach().relu().requires_grad_()
    maximum = F.max_pool2d(flat, 3, stride, 1)
    y, winners, _ = kernels.maximum_forward(window, flat.detach(), None)
    kernels.maximum_backward(window, gradient, winners, x_grad)
    assert torch.equal(y, maximum)
    torch.testing.assert_close(x_grad, torch.autograd.grad(maximum, flat, gradient)[0], rtol=1e-12, atol=1e-12)


def test_nan_is_never_rectified_or_pooled_away(kernels: Kernels) -> None:
    x = pictures((1, 8, 6, 6))
    x[0, 3, 2, 2] = float("nan")
    assert kernels.maximum_forward(Window(3), x, None)[0].isnan().sum() == 9
    depthwise, pointwise = pictures((8, 1, 3, 3), 1).contiguous(), pictures((8, 8, 1, 1), 2).contiguous()
    assert kernels.unit_forward(Window(3), x, None, depthwise, pointwise, EPS)[0].isnan().sum() == 9 * 8


def test_a_norm_keeps_its_digits_far_from_zero(kernels: Kernels) -> None:
    x = pictures((4, 4, 16, 16), dtype=torch.float32)
    mean, inverse = kernels.norm_of(x + 1000, EPS)
    exact = norm_by_torch((x + 1000).double())
    torch.testing.assert_close(mean.double(), exact[0], rtol=1e-6, atol=0)
    torch.testing.assert_close(inverse.double(), exact[1], rtol=1e-4, atol=0)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_threads_give_the_same_bits(kernels: Kernels, threads: int) -> None:
    x = pictures((5, 12, 16, 16), dtype=torch.float32)
    depthwise, pointwise = (
        pictures((12, 1, 5, 5), 1).float().contiguous(),
        pictures((12, 12, 1, 1), 2).float().contiguous(),
    )
    plain = torch.ones((3, 12))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        runs = []
        for _ in range(5):
            y, norm = kernels.unit_forward(Window(5), x, None, depthwise, pointwise, EPS)
            x_grad = torch.zeros_like(x)
            grads = kernels.unit_backward(
                Window(5), x, None, (depthwise, pointwise), (x, y, plain), x_grad, accumulate=True, weights=True
            )
            runs.append((y, norm, x_grad, *grads[:2], kernels.through_norms([x, y], [None, norm], [1.0, 2.0], x)[1]))
        for run in runs[1:]:
            assert all(torch.equal(one, other) for one, other in zip(run, runs[0], strict=True))  # type: ignore[arg-type]
    finally:
        torch.set_num_threads(before)


@pytest.fixture
def no_library_yet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    forget_libraries(monkeypatch)
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path / name))
    return monkeypatch


def test_without_a_compiler_torch_computes_and_says_so(no_library_yet: pytest.MonkeyPatch) -> None:
    no_library_yet.setenv("PATH", "")
    no_library_yet.delenv("CXX", raising=False)
    supernet = build_supernet(tiny_space("darts"), macro_of())
    engine = pick_engine("auto", supernet, torch.device("cpu"))
    assert engine.name == "torch"
    assert engine.note is not None
    assert "no C++ compiler" in engine.note
    with pytest.raises(InputError, match=r"^engine native: no C"):
        pick_engine("native", supernet, torch.device("cpu"))


def test_a_compiler_that_fails_is_named(no_library_yet: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text(f"#!/bin/sh\necho run >> {tmp_path}/count\necho 'error: no such flag' >&2\nexit 1\n")
    broken.chmod(0o755)
    no_library_yet.setenv("CXX", str(broken))
    runs = []
    for _ in range(2):
        with pytest.raises(NoCompilerError, match="broken cannot build the kernels: error: no such flag"):
            library()
        runs.append(len((tmp_path / "count").read_text().split()))
    assert runs[0] > 1
    assert runs[1] == runs[0], "what has failed is not tried again"
    assert not list((tmp_path / "dadarts" / "native").iterdir())


def test_a_cache_that_cannot_be_written_leaves_torch_s_engine(
    no_library_yet: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "dadarts").write_text("a file where the folder should be")
    with pytest.raises(NoCompilerError, match=f"cannot be kept in {tmp_path / 'dadarts'}"):
        library()


def test_a_search_that_compiles_first_says_so(no_library_yet: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    no_library_yet.setenv("CXX", str(broken))
    no_library_yet.chdir(tmp_path)
    without_pictures(no_library_yet)
    for _ in range(2):
        # As another process would, which knows nothing of this one's failure.
        forget_libraries(no_library_yet)
        outcome = succeed(modern, "search", *TINIEST, "-name", "it", "-overwrite")
        assert outcome.err.count(f"compiling the native kernels with {broken}") == 1


@pytest.mark.parametrize(
    ("unknown", "used"),
    [
        ((), ["-march=native", "-fopenmp"]),
        (("-march=native",), ["-mcpu=native", "-fopenmp"]),
        (("-march=native", "-mcpu=native"), ["-fopenmp"]),
        (("-fopenmp",), ["-march=native"]),
        (("-fopenmp", "-march=native"), ["-mcpu=native"]),
    ],
)
def test_a_compiler_is_asked_for_no_more_than_it_knows(
    kernels: Kernels,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    unknown: Sequence[str],
    used: Sequence[str],
) -> None:
    made, compiler, command = library()._name, tmp_path / "compiler", tmp_path / "command"
    refusals = "".join(f'case " $* " in *" {flag} "*) echo "error: {flag}" >&2; exit 1;; esac\n' for flag in unknown)
    compiler.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && exit\n{refusals}echo "$@" > {command}\n'
        f'while [ "$1" != -o ]; do shift; done\ncp {made} "$2"\n'
    )
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", f"{compiler} -mtune=haswell")
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path / name))
    forget_libraries(monkeypatch)
    library()
    words = command.read_text().split()
    assert [word for word in words if word in ("-march=native", "-mcpu=native", "-fopenmp")] == used
    assert words.count("-mtune=haswell") == 2
    assert all(words.index(flag) < len(words) - words[::-1].index("-mtune=haswell") for flag in used[:-1])
    assert ("one thread" in caplog.text) == ("-fopenmp" in unknown)


@pytest.fixture
def compilations(kernels: Kernels, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], int]:
    """A compiler that gives out what the real one has made, and how often it has been run."""
    made, compiler, count = library()._name, tmp_path / "compiler", tmp_path / "count"
    compiler.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && exit\necho run >> {count}\n'
        f'while [ "$1" != -o ]; do shift; done\ncp {made} "$2"\n'
    )
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    forget_libraries(monkeypatch)
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path / name))
    return lambda: len(count.read_text().split())


def test_a_compiled_library_is_used_again(compilations: Callable[[], int]) -> None:
    for _ in range(2):
        build.tried.cache_clear()
        assert isinstance(library(), ctypes.CDLL)
    assert compilations() == 1


def test_a_damaged_library_is_compiled_again(compilations: Callable[[], int], tmp_path: Path) -> None:
    library()
    (path,) = (tmp_path / "dadarts" / "native").iterdir()
    whole = path.read_bytes()
    damages = [whole[: int(share * len(whole))] for share in (0, 0.01, 0.6, 0.99)] + [whole[:-1] + b"x"]
    for count, damaged in enumerate(damages, start=2):
        # A new file, as a power failure leaves it: this process has mapped the other one.
        path.unlink()
        path.write_bytes(damaged)
        build.tried.cache_clear()
        assert isinstance(library(), ctypes.CDLL)
        assert compilations() == count
        assert path.read_bytes() == whole


def test_a_damaged_library_that_cannot_be_removed_does_no_harm(compilations: Callable[[], int], tmp_path: Path) -> None:
    library()
    (path,) = (tmp_path / "dadarts" / "native").iterdir()
    path.with_name(path.name[:-19] + "0" * 16 + ".so").mkdir()
    build.tried.cache_clear()
    assert isinstance(library(), ctypes.CDLL)
    assert compilations() == 1


def test_an_unbalanced_quote_in_the_compiler_s_name_is_said(no_library_yet: pytest.MonkeyPatch) -> None:
    no_library_yet.setenv("CXX", "g++ 'broken")
    with pytest.raises(NoCompilerError, match="CXX names no C\\+\\+ compiler: no closing quotation in g\\+\\+ 'broken"):
        library()


@pytest.mark.parametrize("content", ["", "not a program"])
def test_a_compiler_that_is_none_leaves_torch_s_engine(
    no_library_yet: pytest.MonkeyPatch, tmp_path: Path, content: str
) -> None:
    named = tmp_path / "compiler"
    if content:
        named.write_text(content)
        named.chmod(0o755)
    no_library_yet.setenv("CXX", str(named))
    with pytest.raises(NoCompilerError, match=str(named)):
        library()


def test_what_kernels_cannot_compute_is_refused(kernels: Kernels) -> None:
    x, window = pictures((2, 8, 4, 4)), Window(3)
    with pytest.raises(ValueError, match="3 or 5 wide"):
        Window(7)
    with pytest.raises(ValueError, match="channels_last"):
        kernels.average_forward(window, x.contiguous(), EPS)
    with pytest.raises(TypeError, match=r"not torch\.bfloat16 on cpu"):
        kernels.average_forward(window, x.bfloat16(), EPS)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        kernels.norm_of(x[:1, :, :1, :1].contiguous(memory_format=torch.channels_last), EPS)
