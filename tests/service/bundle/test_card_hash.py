"""An edited model card is recorded in the manifest; nothing else may have changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.bundle.card_hash import main
from service.bundle.files import BundleError, read_bundle
from tests.support.classifier_bundles import write_classifier
from tests.support.files import flip_bit


@pytest.fixture
def edited(tmp_path: Path) -> Path:
    """A bundle whose model card was edited."""
    path = write_classifier(tmp_path, "digits").path
    (path / "MODEL_CARD.md").write_text("# digits\n\nNot for letters.\n", encoding="utf-8")
    with pytest.raises(BundleError, match=r"MODEL_CARD\.md: sha256 is"):
        read_bundle(path)
    return path


def test_an_edited_card_is_recorded(edited: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(edited)]) == 0
    assert capsys.readouterr().out == f"{edited}: MODEL_CARD.md recorded\n"
    bundle = read_bundle(edited)
    assert (bundle.manifest.version, bundle.model_card()) == (1, "# digits\n\nNot for letters.\n")


def test_another_altered_file_is_refused(edited: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flip_bit(edited / "model.onnx")
    before = (edited / "manifest.json").read_bytes()
    assert main([str(edited)]) == 2
    assert f"card_hash: {edited / 'model.onnx'}: sha256 is" in capsys.readouterr().err
    assert (edited / "manifest.json").read_bytes() == before
    assert not list(edited.glob(".*"))


def test_a_missing_card_is_named(edited: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (edited / "MODEL_CARD.md").unlink()
    assert main([str(edited)]) == 2
    assert "MODEL_CARD.md: cannot be read (No such file or directory)" in capsys.readouterr().err
