"""Pictures of cells: what they say, and that nothing covers anything."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path as Curve
from matplotlib.transforms import Bbox
from PIL import Image

from dadarts.architecture.genotype import Genotype, random_genotype
from dadarts.architecture.operations import ALL_OPS
from dadarts.architecture.spaces import SPACES, space
from dadarts.errors import InputError, RunError
from dadarts.report import draw_cell
from dadarts.report.canvas import style
from dadarts.report.cell import cell_figure, describe

SVG = "{http://www.w3.org/2000/svg}"
PARALLEL = Genotype.parse(
    "Genotype(normal=[[('sep_conv_3x3', 0), ('skip_connect', 0), ('max_pool_3x3', 1)], [], [('sep_conv_3x3', 2)], [],"
    " [('noise', 1), ('avg_pool_3x3', 4)]], normal_concat=[4, 6],"
    " reduce=[[('skip_connect', 0)], [], [], [], []], reduce_concat=[2])"
)
TWICE = Genotype.parse(
    "Genotype(normal=[[('avg_pool_3x3', 0), ('avg_pool_3x3', 0)], [('sep_conv_7x7', 1), ('sep_conv_7x7', 1), "
    "('sep_conv_7x7', 1)], [('conv_7x1_1x7', 0), ('skip_connect', 0)]], normal_concat=[2, 3, 4], "
    "reduce=[[('skip_connect', 0), ('skip_connect', 0)], [], []], reduce_concat=[2])"
)
"""Nodes that read a state two or three times, by one operation or by several."""
BENCH = Genotype.parse("|avg_pool_3x3~0|+|nor_conv_3x3~0|none~1|+|none~0|skip_connect~1|nor_conv_3x3~2|")


def genotypes() -> list[Genotype]:
    drawn = [random_genotype(space(name), seed) for name in SPACES for seed in range(1)]
    more = [random_genotype(space("darts"), seed) for seed in range(1, 5)]
    return [*drawn, *more, random_genotype(space("darts", 7), 0), PARALLEL, TWICE, BENCH]


def svg_of(genotype: Genotype, kind: str, folder: Path, title: str = "") -> ET.Element:
    draw_cell(genotype, kind, folder / "cell.svg", title)
    return ET.fromstring((folder / "cell.svg").read_text())  # noqa: S314 - our own file


def ids(root: ET.Element, part: str) -> list[str]:
    return [name for e in root.iter() if part in (name := e.get("id", ""))]


@pytest.mark.parametrize("name", SPACES)
def test_svg_names_every_operation_and_draws_every_edge(name: str, tmp_path: Path) -> None:
    genotype = random_genotype(space(name), 3)
    kind, cell = list(genotype.cells.items())[-1]
    root = svg_of(genotype, kind, tmp_path)
    texts = ["".join(e.itertext()).strip() for e in root.iter(f"{SVG}text")]
    labels = [ALL_OPS[op].label for node in cell.nodes for op, _ in node]
    assert sorted(t for t in texts if t in {op.label for op in ALL_OPS.values()}) == sorted(labels)
    assert len(ids(root, f"{kind}-edge-")) == len(labels)
    assert len(ids(root, f"{kind}-output-")) == len(cell.concat)


def test_equal_edges_are_drawn_and_named_each(tmp_path: Path) -> None:
    root = svg_of(TWICE, "normal", tmp_path)
    texts = ["".join(e.itertext()).strip() for e in root.iter(f"{SVG}text")]
    assert [texts.count(label) for label in ("avg 3x3", "sep 7x7", "1x7 7x1", "skip")] == [2, 3, 1, 1]
    assert describe(TWICE, "reduce") == "The reduce cell. c_{k-2} to 2 by skip; c_{k-2} to 2 by skip. c_{k} from 2."


def test_states_outside_the_concat_have_no_arrow_to_the_output(tmp_path: Path) -> None:
    root = svg_of(PARALLEL, "normal", tmp_path)
    assert len(ids(root, "normal-output-")) == 2
    assert len(ids(root, "normal-state-")) == 2 + 5 + 1


def test_none_edges_are_faint_and_dashed(tmp_path: Path) -> None:
    root = svg_of(BENCH, "normal", tmp_path)
    styles = ["".join(p.get("style", "") for p in e.iter(f"{SVG}path")) for e in root.iter(f"{SVG}g")]
    edges = [e.get("id", "") for e in root.iter(f"{SVG}g")]
    drawn = {name: style for name, style in zip(edges, styles, strict=True) if name.startswith("normal-edge-")}
    dashed = {name for name, style in drawn.items() if "stroke-dasharray" in style and "opacity: 0.55" in style}
    assert dashed == {"normal-edge-2", "normal-edge-3"}


def test_svg_tells_its_edges_in_words(tmp_path: Path) -> None:
    root = svg_of(BENCH, "normal", tmp_path, "a <run> & $more$")
    assert root.get("role") == "img"
    assert root.findtext(f"{SVG}title") == "a <run> & $more$"
    assert root.findtext(f"{SVG}desc") == describe(BENCH, "normal")
    assert describe(BENCH, "normal").startswith("The normal cell. input to 1 by avg 3x3; input to 2 by conv 3x3;")
    assert describe(PARALLEL, "reduce") == "The reduce cell. c_{k-2} to 2 by skip. c_{k} from 2."


@pytest.mark.parametrize("title", ["\x00\x1b[31m red", "漢字 😀", "$\\frac{", "long " * 200, "a\nb", "]]> --> <!--"])
def test_any_title_makes_a_well_formed_picture(title: str, tmp_path: Path) -> None:
    svg_of(PARALLEL, "reduce", tmp_path, title)
    draw_cell(PARALLEL, "reduce", tmp_path / "cell.png", title)


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_drawing_twice_gives_the_same_bytes(ending: str, tmp_path: Path) -> None:
    genotype = random_genotype(space("darts"), 0)
    first, second = tmp_path / f"a.{ending}", tmp_path / f"b.{ending}"
    draw_cell(genotype, "normal", first, "same")
    draw_cell(genotype, "normal", second, "same")
    assert first.read_bytes() == second.read_bytes()


def shrunk(box: Bbox) -> Bbox:
    return Bbox.from_extents(box.x0 + 1, box.y0 + 1, box.x1 - 1, box.y1 - 1)


def pixels_of(genotype: Genotype, kind: str) -> tuple[dict[str, Bbox], dict[str, list[Curve]], Bbox]:
    """gid -> box of labels and states, gid -> line and head of links, and the picture's box, all in pixels."""
    with style():
        figure = cell_figure(genotype, kind, "title")
        renderer = RendererAgg(*figure.bbox.size, figure.dpi)  # type: ignore[no-untyped-call]
        figure.draw(renderer)
        boxes, curves = {}, {}
        for artist in figure.axes[0].texts:
            if (patch := artist.get_bbox_patch()) is not None:
                boxes[str(artist.get_gid())] = patch.get_window_extent(renderer)
        for shape in figure.axes[0].patches:
            if isinstance(shape, FancyArrowPatch):
                path = shape.get_transform().transform_path(shape.get_path())
                curves[str(shape.get_gid())] = [Curve(line) for line in path.to_polygons(closed_only=False)]
            elif isinstance(shape, Circle | FancyBboxPatch):
                boxes[str(shape.get_gid())] = shape.get_window_extent(renderer)
        return boxes, curves, Bbox(figure.bbox.get_points())


@pytest.mark.parametrize("genotype", genotypes(), ids=lambda g: f"{g.syntax}-{len(str(g))}")
def test_labels_and_states_overlap_nowhere_and_no_line_runs_behind_them(genotype: Genotype) -> None:
    for kind in genotype.cells:
        boxes, curves, picture = pixels_of(genotype, kind)
        for (a, box), (b, other) in combinations(boxes.items(), 2):
            assert not shrunk(box).overlaps(shrunk(other)), (a, b)
        for name, box in boxes.items():
            assert picture.x0 <= box.x0
            assert box.x1 <= picture.x1
            assert picture.y0 <= box.y0
            assert box.y1 <= picture.y1
            if "-label-" in name:
                crossing = {gid for gid in curves for line in curves[gid] if line.intersects_bbox(box, filled=False)}
                assert crossing == {name.replace("label", "edge")}


def test_every_link_starts_at_its_source_and_ends_at_its_target() -> None:
    boxes, curves, _ = pixels_of(PARALLEL, "normal")
    edges = [(state, number + 2) for number, node in enumerate(PARALLEL.cells["normal"].nodes) for _, state in node]
    for number, (source, target) in enumerate(edges):
        line, head = curves[f"normal-edge-{number}"]
        # A line's width takes a few pixels.
        start, end = boxes[f"normal-state-{source}"].padded(4), boxes[f"normal-state-{target}"].padded(4)
        assert any(start.contains(x, y) for x, y in np.asarray(line.vertices))
        assert any(end.contains(x, y) for x, y in np.asarray(head.vertices))


def test_png_opens_with_a_sensible_size(tmp_path: Path) -> None:
    draw_cell(random_genotype(space("darts"), 1), "reduce", tmp_path / "cell.PNG")
    with Image.open(tmp_path / "cell.PNG") as picture:
        picture.load()
        assert 600 < picture.width < 2500
        assert 200 < picture.height < 1500


def test_the_largest_genotype_that_can_be_read_is_drawn(tmp_path: Path) -> None:
    nodes = [[("sep_conv_3x3", n), ("skip_connect", n + 1)] for n in range(64)]
    cell = f"{nodes}, {{}}_concat=range(2, 66)"
    genotype = Genotype.parse(f"Genotype(normal={cell.format('normal')}, reduce={cell.format('reduce')})")
    draw_cell(genotype, "normal", tmp_path / "cell.png")
    with Image.open(tmp_path / "cell.png") as picture:
        assert max(picture.size) <= 8_000


def test_unknown_kind_and_unknown_suffix_are_named_and_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown kind of cell 'reduce'; known: normal"):
        draw_cell(BENCH, "reduce", tmp_path / "a.svg")
    with pytest.raises(InputError, match=r"written as .svg or .png, not 'a.gif'"):
        draw_cell(BENCH, "normal", tmp_path / "a.gif")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named_and_nothing_is_left_behind(tmp_path: Path) -> None:
    (tmp_path / "taken.svg").mkdir()
    with pytest.raises(RunError, match=r"cannot write .*taken\.svg"):
        draw_cell(BENCH, "normal", tmp_path / "taken.svg")
    assert [p.name for p in tmp_path.iterdir()] == ["taken.svg"]
    assert list((tmp_path / "taken.svg").iterdir()) == []


def test_a_failed_picture_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.svg").write_text("old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(RunError, match="No space left"):
        draw_cell(BENCH, "normal", tmp_path / "a.svg")
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a.svg", "old")]
