"""The segmenter's part of a bundle: its ONNX graph, characters and contractions, and its parity with PyTorch."""

import numpy as np
from onnx import TensorProto, helper

from service.bundle.manifest import Datatype, Graph, TensorSpec
from service.tasks.base import Predictor
from service.tasks.token_classification.contractions import serialize_contractions
from service.tasks.token_classification.segmentation_characters import CharacterIds, paragraphs
from service.tasks.token_classification.segmentation_graph import BOUNDARIES, CHARACTERS, LENGTHS, MULTIWORD, SEGMENTER
from service.tasks.token_classification.segmentation_schema import SegmentationPreprocessing
from training.bilstm_crf.data.dataset import TaggedData
from training.bilstm_crf.data.raw_text import raw_document
from training.bilstm_crf.export.graph import lstm
from training.bilstm_crf.network.segmenter import LABELS, SegmenterNetwork
from training.bilstm_crf.segmentation import TrainedSegmenter, raw_sentences
from training.common.errors import ExportError
from training.common.export import PARITY_TOLERANCE
from training.common.graph_builder import GraphBuilder

GRAPH_FILE, CONTRACTIONS_FILE = "segmenter.onnx", "contractions.txt"
_COMPARED_ROWS, _COMPARED_CHARACTERS = 8, 400


def segmenter_spec() -> Graph:
    """The graph's inputs and outputs for the manifest."""
    integers, floats = Datatype.INT32, Datatype.FP32
    return Graph(
        file=GRAPH_FILE,
        inputs=(
            TensorSpec(name=CHARACTERS, datatype=integers, shape=(-1, -1)),
            TensorSpec(name=LENGTHS, datatype=integers, shape=(-1,)),
        ),
        outputs=(
            TensorSpec(name=BOUNDARIES, datatype=floats, shape=(-1, -1, LABELS)),
            TensorSpec(name=MULTIWORD, datatype=floats, shape=(-1, -1)),
        ),
    )


def segmenter_preprocessing(segmenter: TrainedSegmenter) -> SegmentationPreprocessing:
    """The segmenter's section of the manifest."""
    return SegmentationPreprocessing(
        characters=segmenter.characters,
        contractions=CONTRACTIONS_FILE if segmenter.contractions else None,
        ambiguous=segmenter.ambiguous,
        inner_spaces=segmenter.inner_spaces,
        whole_numbers=segmenter.numbers.whole,
        time_letters=segmenter.numbers.time_letters,
    )


def segmenter_files(segmenter: TrainedSegmenter) -> dict[str, bytes]:
    """The contractions."""
    return {CONTRACTIONS_FILE: serialize_contractions(segmenter.contractions)} if segmenter.contractions else {}


def build_segmenter_graph(network: SegmenterNetwork) -> bytes:
    """The ONNX file, weights inside; they are few and stay float32."""
    builder = GraphBuilder("fp32")
    transposed = builder.add("Transpose", CHARACTERS, out="characters_TB", perm=[1, 0])
    embedded = builder.add(
        "Gather", builder.add_constant("embedding", network.embedding.weight), transposed, out="embedded_TBE"
    )
    states = lstm(builder, network.lstm, embedded, LENGTHS, "segmenter", out="all")
    by_text = builder.add("Transpose", states, out="states_BT2H", perm=[2, 0, 1, 3])
    joined = builder.add("Reshape", by_text, builder.sizes(0, 0, -1), out="states")
    product = builder.add("MatMul", joined, builder.add_constant("output", network.output.weight.T), out="product")
    scores = builder.add("Add", product, builder.add_constant("output_bias", network.output.bias), out="scores")
    axis = builder.sizes(2)
    builder.add("Slice", scores, builder.sizes(0), builder.sizes(LABELS), axis, out=BOUNDARIES)
    last = builder.add("Slice", scores, builder.sizes(LABELS), builder.sizes(LABELS + 1), axis, out="multiword_BT1")
    builder.add("Squeeze", last, axis, out=MULTIWORD)
    inputs = [
        helper.make_tensor_value_info(CHARACTERS, TensorProto.INT32, ["B", "T"]),
        helper.make_tensor_value_info(LENGTHS, TensorProto.INT32, ["B"]),
    ]
    outputs = [
        helper.make_tensor_value_info(BOUNDARIES, TensorProto.FLOAT, ["B", "T", LABELS]),
        helper.make_tensor_value_info(MULTIWORD, TensorProto.FLOAT, ["B", "T"]),
    ]
    return builder.model("segmenter", inputs, outputs)


def check_segmenter_parity(segmenter: TrainedSegmenter, predictor: Predictor[object], data: TaggedData) -> float:
    """The largest difference of a score from PyTorch's on some dev text, in a batch and alone.

    Raises:
        ExportError: it is too large.
    """
    text, _ = raw_document(raw_sentences(data.splits["dev"]))
    read = "".join(paragraph.characters for paragraph in paragraphs(text))[: _COMPARED_ROWS * _COMPARED_CHARACTERS]
    ids = CharacterIds(segmenter.characters)
    rows = [  # of different lengths, so that padding is compared too
        [ids[character] for character in read[start : start + _COMPARED_CHARACTERS - start // 10]]
        for start in range(0, len(read), _COMPARED_CHARACTERS)
    ]
    lengths = np.array(list(map(len, rows)), np.int32)
    batch = np.zeros((len(rows), int(lengths.max(initial=1))), np.int32)
    for values, padded in zip(rows, batch, strict=True):
        padded[: len(values)] = values
    expected = segmenter.score(batch, lengths)
    session = predictor.sessions[SEGMENTER]
    actual = session.run({CHARACTERS: batch, LENGTHS: lengths})
    largest, difference = 1.0, 0.0
    for row, length in enumerate(lengths.tolist()):
        alone = session.run({CHARACTERS: batch[row : row + 1, :length], LENGTHS: lengths[row : row + 1]})
        for name, scores in zip((BOUNDARIES, MULTIWORD), expected, strict=True):
            theirs = scores[row, :length]
            largest = max(largest, float(np.abs(theirs).max()))
            difference = max(
                difference,
                float(np.abs(actual[name][row, :length] - theirs).max()),
                float(np.abs(alone[name][0] - theirs).max()),
            )
    if not difference <= PARITY_TOLERANCE * largest:
        raise ExportError(
            f"the segmenter's graph differs from PyTorch by up to {difference:.2g}; nothing was written. "
            "Check the versions of torch and onnxruntime"
        )
    return difference
