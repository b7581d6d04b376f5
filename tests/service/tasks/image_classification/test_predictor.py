"""The image-classification predictor, without HTTP."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from service.bundle.files import BundleError, write_bundle
from service.bundle.manifest import Graph, Manifest, Task
from service.errors import InvalidRequest, ModelFailure
from service.tasks import TASKS
from service.tasks.base import field_path
from service.tasks.image_classification import ImageClassificationPredictor
from service.tasks.image_classification.request import ClassifyRequest
from tests.support.classifier_bundles import classifier_graph, classifier_manifest, template, write_classifier
from tests.support.classify_requests import picture
from tests.support.pictures import picture_file
from tests.support.predictors import open_predictor


@pytest.fixture
def predictor(tmp_path: Path) -> ImageClassificationPredictor:
    """The tiny classifier."""
    return open_predictor(ImageClassificationPredictor, write_classifier(tmp_path), max_images=4)


def _load(repository: Path, **changes: Any) -> ImageClassificationPredictor:
    good = write_classifier(repository.parent / "good")
    manifest = Manifest.model_validate(classifier_manifest().model_dump() | changes)
    files = {name: good.file(name).read_bytes() for name in good.manifest.files}
    bundle = write_bundle(repository, manifest, files | {"model.onnx": classifier_graph()})
    return open_predictor(ImageClassificationPredictor, bundle)


def test_a_request_from_end_to_end(predictor: ImageClassificationPredictor) -> None:
    request = ClassifyRequest(top_k=2, pixels=[template(3).tolist(), template(8).tolist()])
    results = predictor.postprocess(request, predictor.infer(predictor.preprocess(request)))["results"]
    assert [result["predictions"][0]["label"] for result in results] == ["3", "8"]
    assert [len(result["predictions"]) for result in results] == [2, 2]


def test_the_samples_replay(predictor: ImageClassificationPredictor) -> None:
    assert list(predictor.replay()) == []


def test_ties_keep_the_order_of_the_labels(predictor: ImageClassificationPredictor) -> None:
    outputs = {"probabilities": np.full((1, 10), 0.1, np.float32)}
    (result,) = predictor.postprocess(ClassifyRequest(top_k=3), outputs)["results"]
    assert result["predictions"] == [{"label": label, "score": 0.1} for label in ("0", "1", "2")]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_score_is_never_nan(predictor: ImageClassificationPredictor, value: float) -> None:
    outputs = {"probabilities": np.array([[0.1] * 9 + [value]], np.float32)}
    with pytest.raises(ModelFailure, match="hold NaN or infinity"):
        predictor.postprocess(ClassifyRequest(), outputs)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_familiarity_is_never_nan(tmp_path: Path, value: float) -> None:
    predictor = open_predictor(ImageClassificationPredictor, write_classifier(tmp_path, familiarity=True))
    outputs = {"probabilities": np.full((1, 10), 0.1, np.float32), "familiarity": np.array([[value]], np.float32)}
    with pytest.raises(ModelFailure, match="familiarity is NaN or infinity"):
        predictor.postprocess(ClassifyRequest(pictures=[picture(1)]), outputs)


def test_familiarity_must_be_the_second_output(tmp_path: Path) -> None:
    good = write_classifier(tmp_path / "good", familiarity=True)
    graph = good.manifest.graphs["model"]
    reversed_graph = graph.model_copy(update={"outputs": graph.outputs[::-1]})
    manifest = good.manifest.model_copy(update={"graphs": {"model": reversed_graph}})
    bundle = write_bundle(tmp_path, manifest, {name: good.file(name).read_bytes() for name in good.manifest.files})
    with pytest.raises(BundleError, match=r"outputs of model\.onnx do not fit the task"):
        open_predictor(ImageClassificationPredictor, bundle)


def test_protocol_tensors_are_those_of_the_graph(predictor: ImageClassificationPredictor) -> None:
    assert [(spec.name, spec.shape) for spec in predictor.tensors.inputs] == [("image", (-1, 1, 28, 28))]
    assert [(spec.name, spec.shape) for spec in predictor.tensors.outputs] == [("probabilities", (-1, 10))]
    assert predictor.scheduling.warm_up()["image"].shape == (1, 1, 28, 28)
    assert predictor.reports["model"].actual == ("CPUExecutionProvider",)


def _jpeg() -> bytes:
    stream = io.BytesIO()
    Image.new("L", (28, 28)).save(stream, "JPEG")
    return stream.getvalue()


def _png(side: int) -> bytes:
    stream = io.BytesIO()
    Image.new("1", (side, side), 1).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("pictures", "is_slow"),
    [
        ([picture(1)], False),
        ([picture(1)] * 4, False),
        ([picture(1)] * 5, True),
        ([_png(128)], False),
        ([_png(129)], True),
        ([_png(100), _png(100)], True),
        ([_png(4000)], True),
        ([_png(28) + bytes(9000)], True),
        ([_png(28) + _png(4000)], True),
        ([_jpeg()], True),
        ([b""], True),
        ([b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"], False),
    ],
)
def test_large_pictures_block_the_event_loop(
    predictor: ImageClassificationPredictor, pictures: list[bytes], is_slow: bool
) -> None:
    assert predictor.scheduling.is_slow(ClassifyRequest(pictures=pictures)) is is_slow


def test_pixels_do_not_block_the_event_loop(predictor: ImageClassificationPredictor) -> None:
    assert not predictor.scheduling.is_slow(ClassifyRequest(pixels=[template(1).tolist()] * 4))


@pytest.mark.parametrize(
    ("field", "message"),
    [("images", r"images\[1\]: "), ("image", r"image\[1\]: "), (None, "^the bytes are not an image")],
)
def test_a_bad_picture_is_named_by_its_path(
    predictor: ImageClassificationPredictor, field: str | None, message: str
) -> None:
    with pytest.raises(InvalidRequest, match=message):
        predictor.preprocess(ClassifyRequest(pictures=[picture(1), b"hello"], field=field))


def test_too_many_pictures_are_refused(predictor: ImageClassificationPredictor) -> None:
    with pytest.raises(InvalidRequest, match=r"images: 5 images, the limit is 4 \(LECTERN_MAX_IMAGES\)"):
        predictor.preprocess(ClassifyRequest(pictures=[picture(1)] * 5))


def _graph(**changes: Any) -> dict[str, Any]:
    return {"model": Graph.model_validate(classifier_manifest().graphs["model"].model_dump() | changes)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": None}, "labels: are missing; the task image-classification needs them"),
        ({"labels": list("012345678")}, r"outputs of model\.onnx .* must be probabilities FP32 \[-1, 9\]"),
        ({"preprocessing": {"height": 32}}, r"inputs of model\.onnx .* must be image FP32 \[-1, 1, 32, 28\]"),
        ({"preprocessing": {"colour": "red"}}, r"manifest\.json: preprocessing: colour: is not a field"),
        ({"preprocessing": {"normaliser": "magic"}}, r"manifest\.json: preprocessing: normaliser: Input should be 'mn"),
        (
            {"graphs": _graph() | {"second": _graph()["model"]}},
            "graphs: the task .* needs exactly one",
        ),
        ({"task": "translation"}, r"manifest\.json: preprocessing: source: Field required"),
    ],
)
def test_a_bundle_that_does_not_fit_the_task_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BundleError, match=message):
        _load(tmp_path / "models", **changes)


def test_every_served_task_has_a_predictor() -> None:
    assert TASKS[Task.IMAGE_CLASSIFICATION] is ImageClassificationPredictor
    assert set(TASKS) == set(Task)


def test_a_task_without_a_predictor_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(TASKS, Task.IMAGE_CLASSIFICATION)
    with pytest.raises(BundleError, match="this release does not serve the task 'image-classification'"):
        _load(tmp_path / "models")


@pytest.mark.parametrize(
    ("parts", "path"),
    [((), ""), (("top_k",), "top_k"), (("images", 3), "images[3]"), (("inputs", 0, "shape"), "inputs[0].shape")],
)
def test_paths_of_fields(parts: tuple[str | int, ...], path: str) -> None:
    assert field_path(parts) == path


def _two_figures() -> bytes:
    """A picture with a tall bar and, to the right of it, another."""
    canvas = np.full((60, 80), 255, np.uint8)
    canvas[10:50, 15:22] = 0
    canvas[10:50, 50:57] = 0
    stream = io.BytesIO()
    Image.fromarray(canvas).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def mnist_predictor(tmp_path: Path) -> ImageClassificationPredictor:
    """The tiny classifier with MNIST's normalization."""
    return _load(tmp_path / "models", preprocessing={"normaliser": "mnist", "height": 28, "width": 28})


def _results(predictor: ImageClassificationPredictor, request: ClassifyRequest) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = predictor.postprocess(request, predictor.infer(predictor.preprocess(request)))[
        "results"
    ]
    return results


def test_pictures_say_how_many_figures_they_show(mnist_predictor: ImageClassificationPredictor) -> None:
    request = ClassifyRequest(pictures=[_two_figures(), _two_figures()], top_k=1)
    assert [(result["figures"], "parts" in result) for result in _results(mnist_predictor, request)] == [(2, False)] * 2


def test_split_classifies_each_figure(mnist_predictor: ImageClassificationPredictor) -> None:
    request = ClassifyRequest(pictures=[_two_figures(), _two_figures()], top_k=1, split=True)
    for result in _results(mnist_predictor, request):
        assert [part["x"] < 40 for part in result["parts"]] == [True, False]
        assert [len(part["predictions"]) for part in result["parts"]] == [1, 1]
        assert all(abs(part["width"] - 7) <= 2 and abs(part["height"] - 40) <= 2 for part in result["parts"])


def test_parts_count_as_images(tmp_path: Path) -> None:
    bundle = _load(tmp_path / "models", preprocessing={"normaliser": "mnist", "height": 28, "width": 28}).bundle
    predictor = open_predictor(ImageClassificationPredictor, bundle, max_images=1)
    with pytest.raises(InvalidRequest, match=r"2 figures to split.*without split"):
        predictor.preprocess(ClassifyRequest(pictures=[_two_figures()], split=True))


def test_splitting_a_picture_counts_as_work_and_leaves_the_event_loop(
    mnist_predictor: ImageClassificationPredictor,
) -> None:
    scheduling = mnist_predictor.scheduling
    small = picture_file(Image.new("L", (64, 64), 255))
    whole, split = (ClassifyRequest(pictures=[small], split=split) for split in (False, True))
    assert (scheduling.is_slow(whole), scheduling.is_slow(split)) == (False, True)
    assert scheduling.work(split).units > scheduling.work(whole).units


def test_pixels_have_no_figures(mnist_predictor: ImageClassificationPredictor) -> None:
    (result,) = _results(mnist_predictor, ClassifyRequest(pixels=[template(3).tolist()], split=True))
    assert list(result) == ["predictions"]
