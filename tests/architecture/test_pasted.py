"""Genotypes as people paste them: read where one architecture is meant, refused in a line where not."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dadarts.architecture.genotype import Genotype, random_genotype
from dadarts.architecture.indices import note
from dadarts.architecture.pasted import MAX_FILE, find, pick
from dadarts.architecture.spaces import SPACES, space
from dadarts.errors import InputError
from dadarts.oracle import oracle

CELL = "[('sep_conv_3x3', 0), ('skip_connect', 1), ('max_pool_3x3', 0), ('dil_conv_3x3', 2)]"
TEXT = f"Genotype(normal={CELL}, normal_concat=range(2, 4), reduce={CELL}, reduce_concat=range(2, 4))"
OTHER = TEXT.replace("sep", "dil")
READ = Genotype.parse(TEXT)
BENCH = "|avg_pool_3x3~0|+|skip_connect~0|none~1|+|nor_conv_1x1~0|avg_pool_3x3~1|nor_conv_1x1~2|"
NODE_BY_NODE = "|avg_pool_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|avg_pool_3x3~1|nor_conv_3x3~2|"


@pytest.mark.parametrize(
    "text",
    [
        f"genotype = {TEXT}",
        f"MY_CELL={TEXT}",
        f"MY_CELL: Genotype = {TEXT}",
        f"2018-06-27 13:25:46,379 genotype = {TEXT}",
        f"[06/27 13:25:46] {TEXT}",
        f"INFO:root:genotype = {TEXT}",
        f"2024-01-01 | INFO     | search:main:12 - {TEXT}",
        f"genotype: {TEXT}",
        f">>> {TEXT}",
        f"genotypes.{TEXT}",
        f"DARTS_V3 = cnn.genotypes.{TEXT}",
        f"{TEXT},",
        f"{TEXT};",
        f"{TEXT}.",
        f"{TEXT}  # found with seed 3",
        f"# {TEXT}",
        f'"{TEXT}"',
        f"\ufeff{TEXT}\r\n",
        f"genotype = \\\n    {TEXT}",
        TEXT.replace(", ", ",\n    # of the first run\n    "),
        TEXT.replace(", ", ", \\\n"),
        TEXT.replace("'", '"'),
        TEXT.replace("range(2, 4)", "[2, 3]"),
        TEXT.replace("range(2, 4)", "(2, 3)"),
        TEXT.replace("range(2, 4)", "range(2, 4, 1)"),
        TEXT.replace("range(2, 4)", "list(range(2, 4))"),
        TEXT.replace("range(2, 4)", "array([2, 3])"),
        TEXT.replace("range(2, 4)", "np.array([2, 3], dtype=int32)"),
        TEXT.replace("range(2, 4)", "[np.int64(2), numpy.int64(3)]"),
        TEXT.replace("range(2, 4)", "tensor([2, 3])"),
        TEXT.replace(", 0)", ", np.int64(0))").replace("'sep_conv_3x3'", "np.str_('sep_conv_3x3')"),
        TEXT.replace("('", "['").replace("0)", "0]").replace("1)", "1]").replace("2)", "2]"),
        TEXT.replace("normal=", "").replace("normal_concat=", "").replace("reduce=", "").replace("reduce_concat=", ""),
        f"2019-12-31 02:51:20 epoch 12 lr 4.322422e-01\n2019-12-31 02:51:20 genotype = {TEXT}\ntrain 000 6.9 (1, 2)",
        f"genotype = {TEXT}\ngenotype = {TEXT}",
        f"from collections import namedtuple\nGenotype = namedtuple('Genotype', 'normal')\n#{OTHER}\nX = {TEXT}",
    ],
    ids=lambda text: text[:40].encode("ascii", "replace").decode(),
)
def test_one_architecture_is_read_whatever_is_around_it(text: str) -> None:
    assert Genotype.parse(text) == READ


@pytest.mark.parametrize(
    "text",
    [
        BENCH,
        f"{BENCH},",
        f"arch = '{BENCH}'",
        f"Structure(4 nodes with {BENCH})",
        f"2024-01-01 12:00:00 the best is {BENCH} with 94.37",
        "(4, 0, 3, 1, 4, 3)",
        "[4, 0, 3, 1, 4, 3]",
        "(4,0,3,1,4,3,)",
        "op_indices = (4, 0, 3, 1, 4, 3)",
        "(np.int64(4), np.int64(0), np.int64(3), np.int64(1), np.int64(4), np.int64(3))",
        "array([4, 0, 3, 1, 4, 3])",
    ],
)
def test_cells_of_nas_bench_201_are_read_as_strings_and_as_nas_lib_s_indices(text: str) -> None:
    assert str(Genotype.parse(text)) == BENCH


def test_indices_mean_another_cell_in_the_other_order_and_a_note_names_both() -> None:
    assert str(Genotype.parse("arch_vector = (4, 0, 3, 1, 4, 3)")) == NODE_BY_NODE
    said = note("(4, 0, 3, 1, 4, 3)")
    assert said is not None
    assert all(words in said for words in ("op_indices", BENCH, NODE_BY_NODE, "arch_vector=(4, 0, 3, 1, 4, 3)"))
    for text in ("op_indices=(4, 0, 3, 1, 4, 3)", "arch_vector=(4, 0, 3, 1, 4, 3)", BENCH, TEXT, READ.to_json()):
        assert note(text) is None


def test_either_order_reaches_every_cell_of_the_benchmark_once() -> None:
    known = set(oracle("nas-bench-201").architectures())
    for name in ("op_indices", "arch_vector"):
        texts = {f"{name}={tuple(n // 5**k % 5 for k in range(6))}" for n in range(0, 5**6, 7)}
        assert len({str(Genotype.parse(text)) for text in texts} & known) == len(texts)


def test_a_code_of_nas_bench_macro_may_be_assigned() -> None:
    for text in ("01201201", "arch = '01201201'", "best: 01201201,"):
        assert str(Genotype.parse(text)) == "01201201"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (f"f({TEXT})", "unexpected"),
        (f"[{TEXT}]", "unexpected"),
        (f"{TEXT}.normal", "unexpected '.normal'"),
        (f"{TEXT} + 1", "unexpected '[+] 1'"),
        (f"{TEXT}[0]", "unexpected"),
        (f"not {TEXT}", "unexpected 'not' before"),
        (f"x == {TEXT}", "unexpected 'x ==' before"),
        (f"class {TEXT}:", "unexpected"),
        (f"{TEXT}\n{OTHER}", "2 genotypes [(]lines 1, 2[)]"),
        (f"A = {TEXT}\nB = {OTHER}", "2 genotypes [(]names A, B[)]"),
        (f"{TEXT}\n{BENCH}", "2 genotypes"),
        (f"A = {TEXT}\n{BENCH}", "2 genotypes [(]names and lines A, 2[)]"),
        (TEXT[:-1], "no closing bracket"),
        (TEXT[:200], "no closing bracket"),
        ("(5, 0, 3, 1, 4, 3)", "indices of NAS-Bench-201 are 0 to 4"),
        ("epoch (4, 0, 3, 1, 4, 3)", "unexpected 'epoch' before"),
        ("(4, 0, 3, 1, 4)", "six indices"),
        ("(4, 0, 3, 1, 4, 3, 2)", "six indices"),
        ("(4, 0, 3, 1, 4, 13)", "six indices"),
        ("(4, 0, 3, 1, 4, 3) + (1,)", "unexpected"),
        ("20120101 12:00:00 nothing", "unexpected"),
        (f"{BENCH}x", "unexpected|look like"),
        (TEXT.replace("range(2, 4)", "range(2, 4, 2)"), "concat"),
        (TEXT.replace("range(2, 4)", "array([2, 300])"), "concat"),
        (TEXT.replace("Genotype(", "Genotype(1, "), "not a genotype"),
    ],
    ids=lambda text: text[:30].encode("ascii", "replace").decode(),
)
def test_what_may_mean_something_else_is_refused_in_a_short_line(text: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint) as refusal:
        Genotype.parse(text)
    assert len(str(refusal.value)) < 400
    assert "\n" not in str(refusal.value)


FILE = f"""
from collections import namedtuple
Genotype = namedtuple('Genotype', 'normal normal_concat reduce reduce_concat')
# OLD = {OTHER}
V1 = {TEXT.replace(", ", chr(10))}
V2 = Genotype(
  normal = {CELL.replace("sep_conv_3x3", "sep_conv_7x7")},
  normal_concat = [2, 3], reduce = {CELL}, reduce_concat = [2, 3])
LATEST = V2  # an alias
BEST = LATEST
LOOP = LOOPED
LOOPED = LOOP
""".replace(TEXT.replace(", ", chr(10)), TEXT.replace(", ", ",\n"))


def test_a_file_of_several_gives_the_one_that_is_named() -> None:
    def named(name: str) -> str:
        found = pick(FILE, name, "genotypes.py")
        assert found is not None
        return found.text

    assert Genotype.parse(named("V1")) == READ
    assert "sep_conv_7x7" in named("V2")
    assert named("LATEST") == named("BEST") == named("V2")
    line = next(number for number, text in enumerate(FILE.split("\n"), start=1) if text.startswith("V2"))
    assert named(str(line)) == named("V2")
    with pytest.raises(
        InputError, match=r"genotypes\.py holds 2 genotypes .names V1, V2.; name one, as genotypes\.py#V1"
    ):
        pick(FILE, None, "genotypes.py")
    for wrong in ("OLD", "LOOP", "Genotype", "1", "v1"):
        with pytest.raises(InputError, match=f"genotypes.py has no genotype {wrong}; genotypes.py holds 2"):
            pick(FILE, wrong, "genotypes.py")


def test_a_log_of_many_is_asked_for_a_line() -> None:
    log = "\n".join(f"2019-12-31 epoch {n}\n2019-12-31 genotype = {(TEXT, OTHER)[n % 2]}" for n in range(50))
    with pytest.raises(InputError, match=r"log.txt holds 50 genotypes .lines 2, 4, .*\.\.\..; name one, as log.txt#2"):
        pick(log, None, "log.txt")
    with pytest.raises(InputError, match="holds 50 genotypes"):
        pick(log, "genotype", "log.txt")
    found = pick(log, "4", "log.txt")
    assert found is not None
    assert found.text == OTHER


@pytest.mark.parametrize("name", SPACES)
@given(
    seed=st.integers(0, 10**6),
    before=st.sampled_from(["", "genotype = ", "2018-06-27 13:25:46,379 genotype = ", "X=", "a.b.", "# ", "arch: "]),
    behind=st.sampled_from(["", ",", ";", " # seed 1", "\n", "  \n\ntrain 000 6.9"]),
)
@settings(deadline=None, max_examples=15)
def test_what_is_printed_is_read_back_from_any_line(name: str, seed: int, before: str, behind: str) -> None:
    genotype = random_genotype(space(name), seed)
    text = str(genotype)
    if genotype.syntax == "nas-bench-macro" and before in ("a.b.",):
        return
    assert Genotype.parse(f"{before}{text}{behind}") == genotype


def read_or_refused(text: str, name: str | None = None) -> Genotype | None:
    """What is read, also of a file; where nothing is, the refusal is one short line."""
    with contextlib.suppress(InputError):
        assert (found := pick(text, name, "a/file.py")) is None or found.problem is None
    refusal = ""
    try:
        return Genotype.parse(text)
    except InputError as error:
        refusal = str(error)
    assert "\n" not in refusal
    assert len(refusal) < 500
    return None


PIECES = [*"()[]{}|~+,.;:=#'\"\\ \n0123", "Genotype(", "range(2, 4)", "np.int64(3)", "V1 = ", "normal=", "class ", TEXT,
          BENCH, "(4, 0, 3, 1, 4, 3)", "01201201", "array([2, 3])", "arch_vector"]  # fmt: skip


@given(pieces=st.lists(st.sampled_from(PIECES), max_size=8))
@settings(deadline=None, max_examples=150)
def test_any_mixture_of_the_right_pieces_is_read_or_refused_in_one_line(pieces: list[str]) -> None:
    text = "".join(pieces)
    for name in (None, "V1", "1"):
        read = read_or_refused(text, name)
    if read is not None:
        note(text)
        assert Genotype.parse(str(read)) == read


@given(data=st.data(), text=st.sampled_from([f"X = {TEXT} # x", f"a '{BENCH}'", "[4, 0, 3, 1, 4, 3]", FILE]))
@settings(deadline=None, max_examples=150)
def test_any_damage_gives_a_genotype_that_is_printed_and_read_or_our_error(data: st.DataObject, text: str) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 8)))
    piece = data.draw(st.text(alphabet="[](){},'\"~|+0123456789.:normaltue \n-#=\\", max_size=4))
    damaged = text[:start] + piece + text[end:]
    read = read_or_refused(damaged, "V1")
    assert read is None or Genotype.parse(str(read)) == read


LONG = ["Genotype(", "Genotype ", "(1,", "( ", "a.", "a. b", "|a~0|", "01", "'", "int64(", "array([1,", "#", "x = y\n",
        "x=", "np.", "\\", ", dtype", "X = Genotype()\n", "1 , "]  # fmt: skip


@pytest.mark.parametrize("piece", LONG)
def test_the_longest_texts_are_answered_at_once(piece: str) -> None:
    text = piece * (MAX_FILE // 8 // len(piece))
    start = time.process_time()
    with contextlib.suppress(InputError):
        pick(text, "x", "file")
    assert time.process_time() - start < 2
    with pytest.raises(InputError, match="too long"):
        find("x" * (MAX_FILE + 1))
