"""The segmenter's ONNX graph: from characters to the scores of their labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from service.bundle.checks import require_tensors
from service.bundle.files import Bundle, BundleError, first_line
from service.bundle.manifest import Datatype
from service.errors import ModelFailure
from service.runtime.session import Session
from service.tasks.token_classification.contractions import Contractions, read_contractions
from service.tasks.token_classification.segmentation import Segmenter
from service.tasks.token_classification.segmentation_characters import CharacterIds
from service.tasks.token_classification.segmentation_numbers import NumberRules
from service.tasks.token_classification.segmentation_schema import SegmentationPreprocessing

SEGMENTER = "segmenter"
"""The graph's name in the manifest."""
CHARACTERS, LENGTHS = "characters", "lengths"
"""Inputs: INT32 [B, T], padded with 0, and the characters of each window, INT32 [B]."""
BOUNDARIES, MULTIWORD = "boundaries", "multiword"
"""Outputs: FP32 [B, T, 3], the scores of the labels, and FP32 [B, T], positive where a multiword token ends."""


def open_segmenter(bundle: Bundle, session: Session, preprocessing: SegmentationPreprocessing) -> Segmenter:
    """Check the graph against the manifest, and read the contractions.

    Raises:
        BundleError: naming the file and the reason.
    """
    integers, floats = Datatype.INT32, Datatype.FP32
    require_tensors(
        bundle,
        bundle.manifest.graphs[SEGMENTER],
        inputs={CHARACTERS: (integers, (-1, -1)), LENGTHS: (integers, (-1,))},
        outputs={BOUNDARIES: (floats, (-1, -1, 3)), MULTIWORD: (floats, (-1, -1))},
    )
    known = preprocessing.characters
    if len(set(known)) != len(known):
        raise BundleError(f"{bundle.path}/manifest.json: segmentation: a character is there twice")
    contractions = Contractions({})
    if preprocessing.contractions is not None:
        contractions = read_contractions(bundle.file(preprocessing.contractions), preprocessing.ambiguous)

    def score(
        characters_BT: NDArray[np.int32],  # noqa: N803
        lengths_B: NDArray[np.int32],  # noqa: N803
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        outputs = session.run({CHARACTERS: characters_BT, LENGTHS: lengths_B})
        boundaries: NDArray[np.float32] = outputs[BOUNDARIES]
        if not np.isfinite(boundaries).all():
            raise ModelFailure("the segmenter's scores hold NaN or infinity")
        return boundaries, outputs[MULTIWORD]

    last = CharacterIds(known).rows - 1
    try:
        score(np.array([[last]], np.int32), np.ones(1, np.int32))
    except Exception as error:  # onnxruntime raises a class of its own per failure, all bare Exceptions.
        raise BundleError(
            f"{bundle.path}/{session.graph.file}: has no row for character {last} ({first_line(error)}); "
            "export the model again"
        ) from error
    numbers = NumberRules(preprocessing.whole_numbers, preprocessing.time_letters)
    return Segmenter(score, known, contractions, preprocessing.inner_spaces, numbers)
