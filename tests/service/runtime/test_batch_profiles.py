"""TensorRT gets the shapes of a graph whose batch alone varies."""

from __future__ import annotations

from service.bundle.manifest import Datatype, TensorSpec
from service.runtime.batch_profiles import with_batch_profiles
from service.runtime.provider_options import CUDA, TENSORRT
from tests.support.classifier_bundles import classifier_manifest

GRAPH = classifier_manifest().graphs["model"]


def test_a_batch_from_one_row_to_the_largest() -> None:
    assert with_batch_profiles({}, GRAPH, 64)[TENSORRT] == {
        "trt_profile_min_shapes": "image:1x1x28x28",
        "trt_profile_opt_shapes": "image:64x1x28x28",
        "trt_profile_max_shapes": "image:64x1x28x28",
    }


def test_every_input_is_named() -> None:
    fixed = TensorSpec(name="k", datatype=Datatype.INT64, shape=(1,))
    graph = GRAPH.model_copy(update={"inputs": (*GRAPH.inputs, fixed)})
    profiles = with_batch_profiles({TENSORRT: {"trt_fp16_enable": "1"}}, graph, 8)[TENSORRT]
    assert profiles["trt_profile_max_shapes"] == "image:8x1x28x28,k:1"
    assert profiles["trt_fp16_enable"] == "1"


def test_where_other_sizes_vary_there_are_none() -> None:
    words = TensorSpec(name="words", datatype=Datatype.INT32, shape=(-1, -1))
    assert with_batch_profiles({}, GRAPH.model_copy(update={"inputs": (words,)}), 64) == {}


def test_what_is_set_counts() -> None:
    own = {TENSORRT: {"trt_profile_min_shapes": "image:2x1x28x28"}, CUDA: {"device_id": "1"}}
    assert with_batch_profiles(own, GRAPH, 64) == own


def test_without_a_largest_batch_there_are_none() -> None:
    assert with_batch_profiles({}, GRAPH, 0) == {}
