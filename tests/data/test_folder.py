from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dadarts.data import DataSet, load
from dadarts.errors import InputError

from .conftest import Asking
from .samples import Pixels, encoded, noise, write_classes, write_picture


def everything(data: DataSet) -> torch.Tensor:
    return data.train.take(torch.arange(len(data.train)))


def test_train_and_test_folders_are_the_two_parts(tmp_path: Path, ask: Asking) -> None:
    write_classes(tmp_path / "set/train", 5)
    write_classes(tmp_path / "set/test", 3, seed=1)
    data = load(ask(tmp_path / "set"))
    assert data.classes == ("ant", "bee")
    assert data.train.labels.tolist() == [0] * 5 + [1] * 5
    assert data.test.labels.tolist() == [0] * 3 + [1] * 3
    expected = np.concatenate([noise(5, 12, 12, 3, seed=0), noise(5, 12, 12, 3, seed=1)])
    assert torch.equal(everything(data), torch.from_numpy(expected).permute(0, 3, 1, 2))


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_a_validation_folder_is_the_test_part_where_there_is_no_other(tmp_path: Path, ask: Asking, name: str) -> None:
    write_classes(tmp_path / "set/train", 5)
    write_classes(tmp_path / "set" / name, 2)
    data = load(ask(tmp_path / "set"))
    assert (len(data.train), len(data.test)) == (10, 4)


def test_a_validation_folder_joins_the_training_part_beside_a_test_folder(tmp_path: Path, ask: Asking) -> None:
    for part, count in (("train", 5), ("val", 2), ("test", 3)):
        write_classes(tmp_path / "set" / part, count)
    data = load(ask(tmp_path / "set"))
    assert data.train.labels.tolist() == [0] * 7 + [1] * 7
    assert len(data.test) == 6


@pytest.mark.parametrize("below", ["", "train"])
def test_without_a_test_folder_a_fifth_of_every_class_is_held_out_alike_each_time(
    tmp_path: Path, ask: Asking, below: str
) -> None:
    write_classes(tmp_path / "set" / below, 10)
    data, again = load(ask(tmp_path / "set")), load(ask(tmp_path / "set", cache="other"))
    assert torch.bincount(data.train.labels).tolist() == [8, 8]
    assert torch.bincount(data.test.labels).tolist() == [2, 2]
    assert torch.equal(everything(data), everything(again))


def test_pictures_are_grey_only_if_all_are(tmp_path: Path, ask: Asking) -> None:
    write_classes(tmp_path / "set/train", 3, size=(9, 9))
    write_classes(tmp_path / "set/test", 3, size=(9, 9), seed=1)
    assert load(ask(tmp_path / "set")).train.shape == (1, 9, 9)
    write_picture(tmp_path / "set/test/ant/colour.png", noise(1, 9, 9, 3)[0])
    data = load(ask(tmp_path / "set"))
    assert data.train.shape == data.test.shape == (3, 9, 9)
    assert torch.equal(everything(data)[:, 0], everything(data)[:, 2])


@pytest.mark.parametrize("suffix", [".png", ".PNG", ".jpg", ".JPeG", ".webp", ".bmp"])
def test_every_usual_format_is_read_in_any_case(tmp_path: Path, ask: Asking, suffix: str) -> None:
    flat = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    for name in ("ant", "bee"):
        for number in range(4):
            write_picture(tmp_path / f"set/{name}/{number}{suffix}", flat)
    data = load(ask(tmp_path / "set"))
    assert (len(data.train), data.train.shape) == (6, (3, 16, 16))
    distance = everything(data).float() - torch.tensor([200.0, 100, 50]).view(3, 1, 1)
    assert distance.abs().max() < 6


def test_a_wrong_suffix_is_no_obstacle(tmp_path: Path, ask: Asking) -> None:
    write_classes(tmp_path / "set", 4)
    (tmp_path / "set/ant/0.png").write_bytes(encoded(noise(1, 12, 12, 3)[0], "JPEG"))
    assert load(ask(tmp_path / "set")).train.shape == (3, 12, 12)


def single(tmp_path: Path, ask: Asking, write: Callable[[Path], object], size: int | None = None) -> torch.Tensor:
    """The pixels of the picture that `write` makes, first of the training part of a colour set."""
    write_classes(tmp_path / "set/train", 3, size=(16, 16, 3))
    write_classes(tmp_path / "set/test", 1, size=(16, 16, 3))
    write(tmp_path / "set/train/ant/0.png")
    return load(ask(tmp_path / "set", image_size=size)).train.take(torch.tensor([0]))[0]


def test_transparent_pixels_show_white(tmp_path: Path, ask: Asking) -> None:
    pixels = np.zeros((16, 16, 4), np.uint8)
    pixels[:8] = (10, 20, 30, 255)
    shown = single(tmp_path, ask, lambda file: write_picture(file, pixels))
    assert (shown[:, 8:] == 255).all()
    assert torch.equal(shown[:, 0, 0], torch.tensor([10, 20, 30], dtype=torch.uint8))


def test_a_transparent_palette_colour_shows_white(tmp_path: Path, ask: Asking) -> None:
    picture = Image.new("P", (16, 16), 1)
    picture.putpalette([9, 9, 9, 10, 20, 30])
    picture.paste(0, (0, 0, 16, 8))
    shown = single(tmp_path, ask, lambda file: picture.save(file, transparency=0))
    assert (shown[:, :8] == 255).all()
    assert torch.equal(shown[:, 15, 0], torch.tensor([10, 20, 30], dtype=torch.uint8))


def test_sixteen_bit_greys_keep_their_upper_bits(tmp_path: Path, ask: Asking) -> None:
    deep = (np.arange(256, dtype=np.uint16).reshape(16, 16) << 8) + 77
    shown = single(tmp_path, ask, lambda file: Image.fromarray(deep).save(file))
    assert torch.equal(shown[1].flatten(), torch.arange(256).to(torch.uint8))


def test_bilevel_pictures_are_black_and_white(tmp_path: Path, ask: Asking) -> None:
    bits = noise(1, 16, 16)[0] > 127
    shown = single(tmp_path, ask, lambda file: Image.fromarray(bits).save(file))
    assert torch.equal(shown[0] == 255, torch.from_numpy(bits))
    assert torch.equal(shown[0] == 0, torch.from_numpy(~bits))


def test_a_cmyk_jpeg_becomes_rgb(tmp_path: Path, ask: Asking) -> None:
    shown = single(tmp_path, ask, lambda file: Image.new("CMYK", (16, 16), (255, 0, 0, 0)).save(file, format="JPEG"))
    assert (shown[0] < 60).all()
    assert (shown[2] > 200).all()


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_picture_is_turned_as_its_exif_says(tmp_path: Path, ask: Asking, form: str) -> None:
    pixels = np.zeros((24, 16, 3), np.uint8)
    pixels[:12] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    for part in ("train", "test"):
        for name in ("ant", "bee"):
            for number in range(3):
                file = tmp_path / f"set/{part}/{name}/{number}.png"
                write_picture(file, pixels, format=form, exif=exif)
    data = load(ask(tmp_path / "set"))
    assert data.train.shape == (3, 16, 24)
    shown = data.train.take(torch.tensor([0]))[0]
    assert (shown[:, :, 14:] > 200).all()
    assert (shown[:, :, :10] < 50).all()


def test_broken_exif_around_a_sound_picture_is_no_obstacle(tmp_path: Path, ask: Asking) -> None:
    content = encoded(noise(1, 16, 16, 3)[0], "JPEG", exif=b"Exif\0\0rubbish")
    shown = single(tmp_path, ask, lambda file: file.write_bytes(content))
    assert shown.float().std() > 10


def quadrants(height: int, width: int) -> Pixels:
    """Red left third, green middle third, blue right third."""
    pixels = np.zeros((height, width, 3), np.uint8)
    for place in range(3):
        pixels[:, place * width // 3 : (place + 1) * width // 3, place] = 255
    return pixels


@pytest.mark.parametrize("side", [8, 16, 64])
def test_other_sizes_are_scaled_to_cover_the_square_and_cropped_at_the_centre(
    tmp_path: Path, ask: Asking, side: int
) -> None:
    shown = single(tmp_path, ask, lambda file: write_picture(file, quadrants(40, 120)), size=side)
    assert shown.shape == (3, side, side)
    centre = shown[:, :, side // 8 : -side // 8].float()
    assert (centre[1] > 250).all()
    assert (centre[0] < 5).all()


def test_mixed_sizes_take_the_median_short_side_and_224_at_most(tmp_path: Path, ask: Asking) -> None:
    for name in ("ant", "bee"):
        for number, side in enumerate((10, 20, 30, 20, 20)):
            write_picture(tmp_path / f"set/{name}/{number}.png", noise(1, side, side + 5, 3)[0])
    assert load(ask(tmp_path / "set")).train.shape == (3, 20, 20)
    write_classes(tmp_path / "large", 3, size=(230, 300))
    assert load(ask(tmp_path / "large")).train.shape == (1, 224, 224)


def test_a_shared_size_is_kept_even_if_not_square(tmp_path: Path, ask: Asking) -> None:
    write_classes(tmp_path / "set", 3, size=(9, 20))
    assert load(ask(tmp_path / "set")).train.shape == (1, 9, 20)


@pytest.mark.parametrize("side", [7, 0, -1, 1025])
def test_an_image_size_outside_8_to_1024_is_refused(tmp_path: Path, ask: Asking, side: int) -> None:
    write_classes(tmp_path / "set")
    with pytest.raises(InputError, match=f"8 to 1024 pixels, not {side}"):
        load(ask(tmp_path / "set", image_size=side))


def test_pictures_below_8_pixels_need_an_image_size(tmp_path: Path, ask: Asking) -> None:
    write_classes(tmp_path / "set", 4, size=(7, 20))
    with pytest.raises(InputError, match="20x7 are too small"):
        load(ask(tmp_path / "set"))
    assert load(ask(tmp_path / "set", image_size=8)).train.shape == (1, 8, 8)


def test_hidden_and_foreign_files_are_passed_over_and_links_followed(tmp_path: Path, ask: Asking) -> None:
    write_classes(tmp_path / "set", 4)
    write_classes(tmp_path / "elsewhere", 4, seed=1)
    (tmp_path / "set/wasp").symlink_to(tmp_path / "elsewhere/ant")
    (tmp_path / "set/ant/linked.png").symlink_to(tmp_path / "elsewhere/bee/0.png")
    (tmp_path / "set/.git").mkdir()
    (tmp_path / "set/ant/Thumbs.db").write_bytes(b"x")
    (tmp_path / "set/ant/._0.png").write_bytes(b"x")
    (tmp_path / "set/README.txt").write_text("x")
    data = load(ask(tmp_path / "set"))
    assert data.classes == ("ant", "bee", "wasp")
    assert len(data.train) + len(data.test) == 13


def test_pictures_in_folders_below_a_class_belong_to_it(tmp_path: Path, ask: Asking) -> None:
    write_classes(tmp_path / "set", 4)
    write_picture(tmp_path / "set/ant/images/deep.png", noise(1, 12, 12, 3)[0])
    data = load(ask(tmp_path / "set"))
    assert len(data.train) + len(data.test) == 9


def spoil(root: Path, how: str) -> None:
    if how == "one picture":
        for number in range(1, 5):
            (root / f"train/bee/{number}.png").unlink()
    elif how == "no picture":
        (root / "train/wasp").mkdir()
    elif how == "no picture in test":
        for file in (root / "test/bee").iterdir():
            file.unlink()
    elif how == "one class":
        (root / "train/bee").rename(root / "train/.bee")
    elif how == "strange class":
        write_picture(root / "test/wasp/0.png", noise(1, 12, 12, 3)[0])
    elif how == "no class":
        (root / "train").rename(root / "away")
        (root / "train").mkdir()


@pytest.mark.parametrize(
    ("how", "complaint"),
    [
        ("one picture", "class bee has a single training picture"),
        ("no picture", "train/wasp holds no pictures"),
        ("no picture in test", "test/bee holds no pictures"),
        ("one class", "holds 1 class folder"),
        ("no class", "holds 0 class folders"),
        ("strange class", "test/wasp is a class that the training part does not have"),
    ],
)
def test_a_folder_that_cannot_be_learnt_from_is_refused(tmp_path: Path, ask: Asking, how: str, complaint: str) -> None:
    for part in ("train", "test"):
        write_classes(tmp_path / "set" / part)
    spoil(tmp_path / "set", how)
    with pytest.raises(InputError, match=complaint):
        load(ask(tmp_path / "set"))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP"])
@pytest.mark.parametrize("kept", [0, 10, 0.5])
def test_a_truncated_picture_is_refused_by_name(tmp_path: Path, ask: Asking, form: str, kept: float) -> None:
    write_classes(tmp_path / "set", 5, size=(32, 32, 3))
    content = encoded(noise(1, 32, 32, 3)[0], form)
    (tmp_path / "set/bee/3.png").write_bytes(content[: int(kept * len(content)) if kept < 1 else int(kept)])
    with pytest.raises(InputError, match=r"set/bee/3\.png (is damaged|cannot be read as a picture)"):
        load(ask(tmp_path / "set"))


def test_a_picture_of_another_kind_in_disguise_is_refused(tmp_path: Path, ask: Asking) -> None:
    write_classes(tmp_path / "set", 5)
    (tmp_path / "set/bee/3.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 12 12\nshowpage\n")
    with pytest.raises(InputError, match="is damaged, or no picture"):
        load(ask(tmp_path / "set"))


def test_imagenet_is_the_folder_reader_at_224(tmp_path: Path, ask: Asking) -> None:
    for part in ("train", "val"):
        for wnid in ("n01440764", "n01443537"):
            for number in range(2):
                file = tmp_path / f"datasets/imagenet/{part}/{wnid}/{number}.JPEG"
                write_picture(file, noise(1, 30, 40, 3)[0])
    data = load(ask("imagenet"))
    assert data.classes == ("n01440764", "n01443537")
    assert data.train.shape == data.test.shape == (3, 224, 224)
    assert data.mean == (0.485, 0.456, 0.406)


def test_missing_imagenet_says_where_to_put_it(ask: Asking) -> None:
    with pytest.raises(InputError, match=r"imagenet is not under .*cannot be downloaded.*imagenet/train/<wnid>"):
        load(ask("imagenet"))


def write_recorded(root: Path, sizes: list[tuple[int, int]], count: int, seed: int) -> None:
    """Pictures of whole numbers alone: the same bytes on every machine."""
    for kind, name in enumerate(("ant", "bee", "Cow", "10")):
        for number in range(count):
            height, width = sizes[number % len(sizes)]
            y, x = np.mgrid[:height, :width]
            grey = ((x * (3 + kind) + y * (7 + number) + 31 * seed) % 256).astype(np.uint8)
            file = root / name / f"{number}.{'png' if number % 3 else 'bmp'}"
            write_picture(file, np.stack([grey, grey[::-1], 255 - grey], 2))


@pytest.mark.parametrize(
    ("parts", "sizes", "fingerprint", "test"),
    [
        ([("", 11)], [(12, 12)], "a75c26fccac371ae", "811f0d93dcc55bce"),
        ([("train", 6), ("val", 3)], [(12, 16)], "6d15df1f2a956a47", "17dd3385506bcc66"),
        ([("train", 6), ("val", 3), ("test", 2)], [(12, 16), (20, 10)], "3b5a2335895107b2", "72ad6f592a17711a"),
    ],
    ids=["class folders", "train and val", "train, val and test"],
)
def test_usual_folders_are_read_as_they_were_before(
    tmp_path: Path,
    ask: Asking,
    parts: list[tuple[str, int]],
    sizes: list[tuple[int, int]],
    fingerprint: str,
    test: str,
) -> None:
    for seed, (part, count) in enumerate(parts):
        write_recorded(tmp_path / "set" / part, sizes, count, seed)
    data = load(ask(tmp_path / "set"))
    held = data.test.labels.numpy().tobytes() + data.test.take(torch.arange(len(data.test))).numpy().tobytes()
    assert (data.fingerprint, sha256(held).hexdigest()[:16]) == (fingerprint, test)


def test_the_line_of_many_classes_names_the_first(tmp_path: Path, ask: Asking) -> None:
    for number in range(30):
        write_classes(tmp_path / "set", 3, size=(9, 9))
        for name in ("ant", "bee"):
            (tmp_path / "set" / name).rename(tmp_path / f"set/{name}{number:02}")
    assert load(ask(tmp_path / "set")).described == (
        f"{tmp_path}/set: 120 training and 60 test pictures of 1x9x9 in 60 classes (ant00 2+1, ant01 2+1, ant02 2+1, "
        "ant03 2+1, ant04 2+1, ant05 2+1, ant06 2+1, ant07 2+1, ant08 2+1, ant09 2+1, ant10 2+1, ant11 2+1 and 48 more)"
        "; test part: a fifth of each class, held out"
    )
