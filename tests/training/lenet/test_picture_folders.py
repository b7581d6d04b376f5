"""Folders of pictures as people have them: other files, damaged pictures, sub-folders, names, repetitions."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.__main__ import main
from training.common.errors import DatasetError
from training.lenet.config import LenetConfig
from training.lenet.data.dataset import ImageData, load_images

pytestmark = pytest.mark.torch

on_systems_that_keep_names = pytest.mark.skipif(
    sys.platform != "linux", reason="the file system takes names for the same that differ in case or composition"
)


def load(folder: Path, **settings: object) -> ImageData:
    return load_images(LenetConfig(data=str(folder), **settings))  # type: ignore[arg-type]


def total(data: ImageData) -> int:
    return len(data.train) + len(data.dev)


def test_files_that_are_no_pictures_are_skipped_and_counted(picture_folder: Path) -> None:
    for name in (
        "labels.csv",
        "README",
        "ring/Thumbs.db",
        "ring/.DS_Store",
        "bar/._0.png",
        "bar/notes.TXT",
        "bar/a.txt",
    ):
        (picture_folder / name).write_bytes(b"no picture")
    (picture_folder / "__MACOSX").mkdir()
    (picture_folder / ".git").mkdir()
    data = load(picture_folder)
    assert (total(data), data.labels) == (36, ("bar", "cross", "ring"))
    (note,) = data.notes
    assert note.startswith("shapes: 7 files skipped that are no pictures: 2 hidden, 2 .txt, ")
    assert all(kind in note for kind in ("1 .csv", "1 .db", "1 without a suffix"))


@pytest.mark.parametrize("name", ["0.PNG", "0.Png", "picture", "0.JPEG"])
def test_pictures_are_told_by_suffix_in_any_case_or_by_their_bytes(picture_folder: Path, name: str) -> None:
    ring = picture_folder / "ring"
    (ring / "0.png").rename(ring / name)
    assert total(load(picture_folder)) == 36


def _bomb() -> bytes:
    stream = io.BytesIO()
    Image.new("1", (6000, 4000)).save(stream, "PNG")
    return stream.getvalue()


def _blank() -> bytes:
    stream = io.BytesIO()
    Image.new("L", (60, 60), 255).save(stream, "PNG")
    return stream.getvalue()


BAD = {
    "bar/empty.png": (b"", "has no bytes"),
    "bar/text.png": (b"no picture", "not an image of a known format"),
    "cross/cut.png": (b"\x89PNG\r\n\x1a\n", "truncated or damaged"),
    "cross/large.png": (_bomb(), "over the limit"),
    "ring/blank.jpg": (_blank(), "blank"),
    "ring/digit.pgm": (b"P5 1 1 255 a", "format that is not read"),
    "ring/drawing.svg": (b"<svg/>", "format that is not read"),
}


def test_all_bad_pictures_are_listed_at_once_or_left_out(picture_folder: Path) -> None:
    for name, (content, _) in BAD.items():
        (picture_folder / name).write_bytes(content)
    (picture_folder / "ring" / "gone.png").symlink_to("nowhere.png")
    with pytest.raises(DatasetError) as caught:
        load(picture_folder)
    *lines, last = str(caught.value).splitlines()
    assert len(lines) == 8
    for name, (_, reason) in BAD.items():
        assert any(line.startswith(f"{picture_folder / name}: ") and reason in line for line in lines), name
    assert last == "8 bad pictures; repair or remove them, or leave such pictures out with --skip-bad"
    data = load(picture_folder, skip_bad=True)
    assert total(data) == 36
    (note,) = data.notes
    assert note.startswith("shapes: 8 bad pictures left out: ")
    assert str(picture_folder) not in note


def test_of_many_bad_pictures_the_first_twenty_are_listed(picture_folder: Path) -> None:
    for number in range(25):
        (picture_folder / "bar" / f"bad{number}.png").write_bytes(b"")
    with pytest.raises(DatasetError, match="25 bad pictures, of which the first 20 are listed") as caught:
        load(picture_folder)
    assert len(str(caught.value).splitlines()) == 21


def test_bad_pictures_of_train_and_test_are_listed_together(picture_folder: Path, tmp_path: Path) -> None:
    for part in ("train", "test"):
        (tmp_path / "both" / part).mkdir(parents=True)
        for folder in sorted(picture_folder.iterdir()):
            copy = tmp_path / "both" / part / folder.name
            copy.mkdir()
            (copy / "0.png").write_bytes((folder / "0.png").read_bytes())
            (copy / "1.png").write_bytes((folder / ("1.png" if part == "train" else "2.png")).read_bytes())
        (tmp_path / "both" / part / "bar" / "bad.png").write_bytes(b"")
    (tmp_path / "both" / "val").mkdir()
    with pytest.raises(DatasetError, match="2 bad pictures"):
        load(tmp_path / "both")
    notes = load(tmp_path / "both", skip_bad=True).notes
    assert "both: not read: val; only train and test are" in notes
    assert any(note.startswith("note: 3 pictures of test are in train too") for note in notes)


def test_a_class_whose_pictures_are_all_bad(picture_folder: Path) -> None:
    (picture_folder / "dot").mkdir()
    (picture_folder / "dot" / "0.png").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"dot: has no pictures \(1 bad picture left out\); add some or remove"):
        load(picture_folder, skip_bad=True)


def test_sub_folders_are_named_or_read(picture_folder: Path) -> None:
    writer = picture_folder / "ring" / "writer 1"
    writer.mkdir()
    for number in range(6):
        (picture_folder / "ring" / f"{number}.png").rename(writer / f"{number}.png")
    (picture_folder / "ring" / "circle").symlink_to(picture_folder / "ring")
    with pytest.raises(
        DatasetError, match=r"writer 1: is a folder with pictures within the class folder 'ring'.*--sub-f"
    ):
        load(picture_folder)
    data = load(picture_folder, sub_folders=True)
    assert total(data) == 36
    assert data.notes == ("shapes: 1 file skipped that are no pictures: 1 links to folders",)


def test_pictures_without_class_folders(picture_folder: Path) -> None:
    with pytest.raises(DatasetError, match=r"has 0 folders of pictures.*move the 12 pictures beside them into folders"):
        load(picture_folder / "ring")
    (picture_folder / "stray.png").write_bytes((picture_folder / "bar" / "0.png").read_bytes())
    data = load(picture_folder)
    assert data.notes == ("shapes: 1 picture left out beside the class folders: without a class",)


@on_systems_that_keep_names
def test_names_of_classes(picture_folder: Path) -> None:
    for old, new in (("bar", "10"), ("cross", "9"), ("ring", "große Ringe")):
        (picture_folder / old).rename(picture_folder / new)
    (picture_folder / "Große ringe").mkdir()
    (picture_folder / "Große ringe" / "0.png").write_bytes((picture_folder / "9" / "0.png").read_bytes())
    (picture_folder / "9" / "0.png").unlink()
    data = load(picture_folder)
    assert data.labels == ("9", "10", "Große ringe", "große Ringe")
    assert data.notes == (
        "note: classes whose names differ in case only are classes of their own: 'Große ringe' and 'große Ringe'",
    )


@on_systems_that_keep_names
def test_names_that_cannot_be_told_apart(picture_folder: Path) -> None:
    (picture_folder / "ring").rename(picture_folder / "caf\u00e9")
    (picture_folder / "cross").rename(picture_folder / "cafe\u0301")
    with pytest.raises(DatasetError, match=r"two folders are named 'café'.*join them"):
        load(picture_folder)
    (picture_folder / "cafe\u0301").rename(picture_folder / "cross ")
    with pytest.raises(DatasetError, match=r"its name begins or ends with a space.*rename the folder"):
        load(picture_folder)
    (picture_folder / "cross ").rename(os.fsdecode(os.fsencode(picture_folder) + b"/cro\xff"))
    with pytest.raises(DatasetError, match=r"cro\\+xff.*rename the folder"):
        load(picture_folder)


def test_repeated_pictures_are_said(picture_folder: Path) -> None:
    first = (picture_folder / "bar" / "0.png").read_bytes()
    (picture_folder / "bar" / "copy.png").write_bytes(first)
    (picture_folder / "ring" / "copy.png").write_bytes((picture_folder / "cross" / "3.png").read_bytes())
    across, within = load(picture_folder).notes
    assert across == "note: 1 picture in several classes, so that labels are wrong: cross/3.png and ring/copy.png"
    assert within.startswith("note: 1 picture several times in a class; ")
    assert within.endswith("bar/0.png and bar/copy.png")


def test_mixed_polarity_is_said_where_it_counts(picture_folder: Path) -> None:
    for path in (picture_folder / "ring").iterdir():
        with Image.open(path) as image:
            inverted = Image.fromarray(255 - np.asarray(image))
        inverted.save(path)
    assert load(picture_folder).notes == ()
    (note,) = load(picture_folder, normalizer="fit").notes
    assert note.startswith("note: 24 pictures have light borders and 12 dark ones: with --normalizer fit polarity")


def test_training_and_its_card_say_what_was_left_out(
    picture_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (picture_folder / "bar" / "bad.png").write_bytes(b"")
    (picture_folder / "bar" / "notes.txt").write_bytes(b"")
    run, models = tmp_path / "run", tmp_path / "models"
    arguments = ["lenet", "train", "--preset", "debug", "--data", str(picture_folder), "--run", str(run)]
    assert main(arguments) == 2
    assert "bad.png: the image has no bytes; repair or remove it, or leave such pictures out with --skip-bad" in (
        capsys.readouterr().err
    )
    assert main([*arguments, "--skip-bad", "--normalizer", "fit"]) == 0
    logged = "".join(capsys.readouterr())
    assert "shapes: 1 bad picture left out: bar/bad.png: the image has no bytes" in logged
    assert main(["lenet", "evaluate", "--run", str(run), "--split", "dev"]) == 0
    assert main(["lenet", "export", "--run", str(run), "--models", str(models), "--no-familiarity", "--force"]) == 0
    card = (models / "shapes" / "1" / "MODEL_CARD.md").read_text()
    assert "* shapes: 1 bad picture left out: bar/bad.png" in card
    assert "* shapes: 1 file skipped that are no pictures: 1 .txt" in card
    assert "another polarity" in card
