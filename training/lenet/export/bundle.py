"""Export of a trained LeNet as a model bundle: graph, samples, model card, manifest."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from service.bundle.files import Bundle, Sample, draft_bundle
from service.bundle.manifest import Comparison, Datatype, Graph, Manifest, Metric, Task, TensorSpec
from service.runtime.session import Session
from service.tasks.image_classification.explanation import EXPLAIN
from service.tasks.image_classification.predictor import FAMILIARITY
from service.tasks.image_classification.preprocessing import ImagePreprocessing
from training.common.config import to_dict
from training.common.export import check_parity, provenance, to_onnx
from training.common.run import CONFIG, Run
from training.common.samples import SampleAnswers
from training.lenet.config import LenetConfig, stored_config, teacher_runs
from training.lenet.data.dataset import ImageData, Split
from training.lenet.evaluate import evaluate, load_best
from training.lenet.export.card import model_card
from training.lenet.export.evaluation_file import evaluation_file, measured_on
from training.lenet.export.explain import EXPLAIN_FILE, check_explain_graph, explain_graph, layer_files
from training.lenet.export.familiarity_card import familiarity_metrics, with_familiarity
from training.lenet.export.served import INPUT, OUTPUT, ServedLeNet
from training.lenet.familiarity.evaluation import FamiliarityReport, evaluate_familiarity
from training.lenet.familiarity.fit import FEWEST_HELD_OUT, fit_familiarity
from training.lenet.network.model import SIDE

GRAPH_FILE = "model.onnx"
_SAMPLES, _TOP_K, _PARITY_BATCH = 10, 3, 1000
_LIBRARIES = ("numpy", "onnx", "onnxruntime", "onnxscript", "torch")


@dataclass(frozen=True, kw_only=True)
class Exported:
    """The bundle that an export wrote, and the result of the parity check."""

    bundle: Bundle
    dev_images: int
    """Number of held-out images compared."""
    greatest_difference: float
    """Greatest absolute difference of a probability between PyTorch and ONNX Runtime."""
    familiarity: FamiliarityReport | None
    """How well familiarity was measured to work; None for a bundle without it."""


def default_name(config: LenetConfig) -> str:
    """Default name of the exported model: `digits` for MNIST, otherwise the name of the data's folder."""
    return "digits" if config.data == "mnist" else Path(config.data).resolve().name.lower().replace(" ", "-")


def export(
    run: Run,
    config: LenetConfig,
    data: ImageData,
    *,
    name: str,
    repository: Path,
    licence: str | None,
    attribution: str | None = None,
    description: str,
    familiarity: bool = True,
    fonts: Path | None = None,
) -> Exported:
    """Export the weights that a run kept as the next version of a model, after checking the graph against PyTorch.

    Args:
        run: the run.
        config: its settings.
        data: its data.
        name: the model's name.
        repository: the model repository.
        licence: licence of the weights; None is that of the data.
        description: description of the model; empty for a default.
        familiarity: whether to fit the output that says whether an image is one of the classes at all. It is left out
            where too few images are held out to calibrate it.
        fonts: folder of fonts to draw outliers and printed examples with, beside those that matplotlib brings.

    Raises:
        CheckpointError: the run has no weights yet.
        ExportError: the graph differs from PyTorch; nothing is written.
    """
    model, epoch = load_best(run, config, data)
    fitted = None
    if familiarity and len(data.dev) >= FEWEST_HELD_OUT:
        fitted = fit_familiarity(model, config, data, fonts)
    report = evaluate_familiarity(model, fitted) if fitted else None
    served = ServedLeNet(model, fitted).eval()
    spec = _graph(len(data.labels), has_familiarity=fitted is not None)
    graph = to_onnx(
        served, torch.zeros(2, 1, SIDE, SIDE), input_name=INPUT, output_names=[output.name for output in spec.outputs]
    )
    explain, explain_file = explain_graph(served)
    evaluations = _evaluations(run, config, data, epoch)
    manifest = Manifest(
        name=name,
        version=1,
        task=Task.IMAGE_CLASSIFICATION,
        description=description or f"LeNet-5, trained on {data.name}: {len(data.labels)} classes",
        graphs={"model": spec, EXPLAIN: explain},
        labels=data.labels,
        preprocessing=ImagePreprocessing(normalizer=config.normalizer, height=SIDE, width=SIDE).model_dump(),
        metrics=_metrics(evaluations, data) + (familiarity_metrics(report, data) if report else ()),
        provenance=provenance(
            data=data.name,
            licence=licence or data.licence,
            attribution=attribution or data.attribution,
            config=public_config(config) | {"epoch": epoch},
            seed=config.seed,
            libraries=_LIBRARIES,
        ),
        comparison=Comparison(kind="scores", tolerance=1e-4),
    )
    card = model_card(manifest, config, data, parameters=model.parameter_count(), evaluations=evaluations)
    if report and fitted:
        card = with_familiarity(card, report, fitted)
    files = {GRAPH_FILE: graph, EXPLAIN_FILE: explain_file}
    files |= layer_files(served, config.activation, config.pooling)
    files |= evaluation_file(data.name, data.labels, evaluations, run.metrics(), len(data.dev))
    with draft_bundle(repository, manifest, files) as draft:
        answers = SampleAnswers(draft.bundle)
        session = answers.predictor.sessions["model"]
        difference = _parity(served, session, _pixels(data.dev), f"the {len(data.dev)} held-out images")
        pixels = _sample_pixels(data)
        _parity(served, session, pixels.astype(np.float32)[:, None], "the samples")
        check_explain_graph(served, answers.predictor.sessions[EXPLAIN], pixels.astype(np.float32)[:, None])
        bundle = draft.publish(digit_samples(answers, data), card)
    return Exported(bundle=bundle, dev_images=len(data.dev), greatest_difference=difference, familiarity=report)


def _evaluations(run: Run, config: LenetConfig, data: ImageData, epoch: int) -> dict[str, Any]:
    """The stored evaluations of the exported weights, by split; the dev split is evaluated now if it was not."""
    if run.evaluations().get("dev", {}).get("epoch") != epoch:
        evaluate(run, config, data, "dev", torch.device("cpu"))
    return {split: result for split, result in run.evaluations().items() if result["epoch"] == epoch}


def _graph(classes: int, *, has_familiarity: bool) -> Graph:
    """The manifest's description of the graph."""
    outputs = [TensorSpec(name=OUTPUT, datatype=Datatype.FP32, shape=(-1, classes))]
    if has_familiarity:
        outputs.append(TensorSpec(name=FAMILIARITY, datatype=Datatype.FP32, shape=(-1, 1)))
    return Graph(
        file=GRAPH_FILE,
        inputs=(TensorSpec(name=INPUT, datatype=Datatype.FP32, shape=(-1, 1, SIDE, SIDE)),),
        outputs=tuple(outputs),
    )


def public_config(config: LenetConfig) -> dict[str, Any]:
    """The configuration for the manifest: without paths, and with those of the runs that it started or learned from."""
    teachers = teacher_runs(config)
    settings = to_dict(config) | {
        "data": Path(config.data).name,
        "init": Path(config.init).name,
        "teacher": ",".join(path.name for path in teachers),
    }
    if config.init and (Path(config.init) / CONFIG).is_file():
        settings["init_config"] = public_config(stored_config(Run(Path(config.init))))
    if configs := [public_config(stored_config(Run(path))) for path in teachers if (path / CONFIG).is_file()]:
        settings["teacher_configs"] = configs
    return settings


def _pixels(split: Split) -> NDArray[np.float32]:
    """The images as the graph's input: float32 [N, 1, 28, 28] in 0..1."""
    pixels: NDArray[np.float32] = split.images[:, None].astype(np.float32) / np.float32(255)
    return pixels


@torch.no_grad()
def _parity(served: ServedLeNet, session: Session, pixels: NDArray[np.float32], description: str) -> float:
    """Compare the outputs of PyTorch and of the graph for images [N, 1, 28, 28].

    The network is called as it was trained, with nothing folded into C1.

    Returns:
        The greatest absolute difference.

    Raises:
        ExportError: they differ; the message names the images by `description`.
    """
    differences = []
    for chunk in torch.from_numpy(pixels).split(_PARITY_BATCH):
        s4, c5, f6, scores = served.model.layers(chunk)
        answers = session.run({INPUT: chunk.numpy()})
        probabilities = (scores / served.temperature).softmax(1)
        differences.append(check_parity(probabilities.numpy(), answers[OUTPUT], description))
        if served.head is not None:
            familiarity = served.head(torch.cat([s4, c5, f6], dim=1)).sigmoid()
            differences.append(check_parity(familiarity.numpy(), answers[FAMILIARITY], description))
    return max(differences)


def digit_samples(answers: SampleAnswers, data: ImageData) -> list[Sample]:
    """One request for each of up to ten classes, with its answer."""
    return [answers.sample({"top_k": _TOP_K, "pixels": [image]}) for image in _sample_pixels(data).tolist()]


def _sample_pixels(data: ImageData) -> NDArray[np.float64]:
    """The first held-out image of each of up to ten classes, [n, 28, 28] in 0..1, rounded for JSON."""
    _, firsts = np.unique(data.dev.labels, return_index=True)
    pixels: NDArray[np.float64] = (data.dev.take(firsts[:_SAMPLES]).images / 255).round(4)
    return pixels


def _metrics(evaluations: dict[str, Any], data: ImageData) -> tuple[Metric, ...]:
    """Errors and accuracy on every evaluated split."""
    metrics = []
    for split, result in evaluations.items():
        source = measured_on(data.name, split, result["images"])
        metrics.append(Metric(name="errors", value=result["errors"], unit="images", data=source))
        metrics.append(Metric(name="accuracy", value=result["accuracy"], data=source))
    return tuple(metrics)
