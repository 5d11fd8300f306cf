"""What the pages link to and name is there, and what README.md says to type works."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from dadarts.cli import configs
from dadarts.fitting import loop, speed
from dadarts.fitting.candidates import FAMILIES
from tests.commands import ROOT, modern, succeed, with_quick_races, without_pictures
from tests.data.samples import write_classes

README = (ROOT / "README.md").read_text()
SMALL = {"epochs": 1, "init_channels": 2, "layers": 2, "batch_size": 8, "workers": 0, "threads": 1}
"""What the test changes in what README.md says to type: sizes, so that it takes no time."""
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_names_only_what_is_there(page: Path) -> None:
    text = page.read_text()
    links = [page.parent / link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    named = [ROOT / name for name in re.findall(r"`((?:tests|benchmarks|src|docs)/[\w./-]+\.(?:py|md|csv|svg))`", text)]
    assert [str(path) for path in (*links, *named) if not path.exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_link_to_a_heading_finds_it(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s:]*)#([^)\s]+)\)", page.read_text())
    lost = [
        f"{file}#{anchor}" for file, anchor in links if anchor not in anchors((page.parent / file) if file else page)
    ]
    assert lost == []


def anchors(page: Path) -> set[str]:
    """What GitHub calls the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.fixture
def flowers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of pictures where README.md has one."""
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)
    with_quick_races(monkeypatch)
    folder = Path("path/to/flowers")
    write_classes(folder, 16)
    next(folder.glob("*/*.png")).rename("flower.jpg")
    return folder


@pytest.mark.usefixtures("flowers")
def test_the_python_of_the_readme_ends_in_a_prediction(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    settings = ", ".join(f"{name}={value}" for name, value in SMALL.items())
    small = re.sub(r", epochs=\d+", "", block).replace("init_channels=8, layers=4, batch_size=16", settings)
    small = small.replace("SearchConfig.auto(", "SearchConfig.auto(nodes=2, ").replace(
        "TrainConfig.auto(", "TrainConfig.auto(aux_weight=0, "
    )
    assert settings in small
    exec(compile(small, "README.md", "exec"), {})  # noqa: S102 -- what it says to type
    last = capsys.readouterr().out.splitlines()[-1]
    assert re.match(r"\[Prediction\(.*flower\.jpg", last), last


@pytest.mark.usefixtures("flowers")
def test_the_commands_of_the_readme_follow_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "FAMILIES", [replace(FAMILIES[0], sizes=FAMILIES[0].sizes[:1])])
    monkeypatch.setattr(speed, "SECONDS", 0.01)
    small = [word for name, value in SMALL.items() for word in (f"--{name}", str(value))]
    own = {"search": [*small, "--nodes", "2"], "train": [*small, "--aux_weight", "0"]}
    blocks = re.findall(r"```shell\n(.*?)```", README, re.DOTALL)
    lines = [shlex.split(line, comments=True) for block in blocks for line in block.splitlines()]
    ours = [words[1:] for words in lines if words[0] == "dadarts"]
    assert [words[0] for words in ours] == [
        *("fit", "predict", "report", "export"),
        *("search", "train", "show", "runs"),
        *("search", "train"),
    ]
    *full, for_a_laptop_first, for_a_laptop_second = ours
    for words in full:
        here = (
            ["flower.jpg", "path"]
            if words[0] == "predict"
            else ["0.01" if word == "20" else word for word in words[2:]]
        )
        assert succeed(modern, *words[:2], *here, *own.get(words[0], [])).out
    for words, command in (
        (for_a_laptop_first, configs.search_command("dadarts search")),
        (for_a_laptop_second, configs.train_command("dadarts train")),
    ):
        assert command.parse(words[1:])["name"] == "flowers"
