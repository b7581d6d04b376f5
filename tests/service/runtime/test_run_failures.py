"""What the text of a failed run says: that memory ran out, that the device is lost, or neither."""

from __future__ import annotations

import pytest

from service.errors import DeviceLost, ModelFailure, NotReady, OutOfMemory, Saturated
from service.runtime.run_failures import as_failure

RUN = "[ONNXRuntimeError] : 1 : FAIL : Non-zero status code returned while running MatMul node. Status Message: "

LOST = [
    "CUDA failure 700: an illegal memory access was encountered ; GPU=0 ; hostname=a ; expr=cudaStreamSynchronize(s)",
    "CUDA error cudaErrorLaunchFailure:unspecified launch failure",
    "CUDA failure 214: uncorrectable ECC error encountered ; GPU=3",
    "CUDA failure 719: unspecified launch failure",
    "HIP failure 700: an illegal memory access was encountered",
    "device-side assert triggered",
    "MLOperatorAuthorImpl.cpp: 887A0005 The GPU device instance has been suspended",
    "WebGPU: the device was lost",
]
NO_MEMORY = [
    "bfc_arena.cc:376 AllocateRawInternal Failed to allocate memory for requested buffer of size 68719476736",
    "bfc_arena.cc:357 Available memory of 1048576 is smaller than requested bytes of 8388608",
    "CUDA failure 2: out of memory ; GPU=0",
    "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0",
    "HIP failure 2: hipErrorOutOfMemory",
    "std::bad_alloc",
]
OTHER = ["indices element out of data bounds, idx=7", "CUDA failure 9: invalid configuration argument", "bad luck"]


@pytest.mark.parametrize("text", LOST)
def test_a_lost_device_is_told_without_paths(text: str) -> None:
    failure = as_failure(RuntimeError(RUN + text))
    assert isinstance(failure, DeviceLost)
    assert isinstance(failure, NotReady)
    assert "answers nothing until the process restarts" in str(failure)
    assert "hostname" not in str(failure)
    assert failure.retry_after == 5


@pytest.mark.parametrize("text", NO_MEMORY)
def test_memory_that_ran_out(text: str) -> None:
    failure = as_failure(RuntimeError(RUN + text))
    assert isinstance(failure, OutOfMemory)
    assert str(failure) == "there is not enough memory for this request now; send less at once, or try again"


def test_pythons_own_memory_error() -> None:
    assert isinstance(as_failure(MemoryError()), OutOfMemory)


@pytest.mark.parametrize("text", OTHER)
def test_any_other_failure(text: str) -> None:
    error = RuntimeError(RUN + text)
    failure = as_failure(error)
    assert isinstance(failure, ModelFailure)
    assert failure.__cause__ is error


def test_the_cause_of_an_error_counts_too() -> None:
    error = ValueError("the run failed")
    error.__cause__ = RuntimeError(LOST[0])
    assert isinstance(as_failure(error), DeviceLost)


def test_an_error_with_a_meaning_keeps_it() -> None:
    error = Saturated("full")
    assert as_failure(error) is error
