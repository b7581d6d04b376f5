"""Options of execution providers, as the setting LECTERN_PROVIDER_OPTIONS writes them: parsed, and checked by provider.

onnxruntime checks them too late and in too many ways: one provider raises, one logs a warning and is left out, one
takes anything. So the names and kinds of the options of the usual providers stand here; those of others pass unchecked.
"""

from __future__ import annotations

import difflib
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson

from service.errors import ConfigurationError

ProviderOptions = Mapping[str, Mapping[str, str]]
"""The options of each provider, by onnxruntime's names of both."""

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
TENSORRT = "TensorrtExecutionProvider"
OPENVINO = "OpenVINOExecutionProvider"
MIGRAPHX = "MIGraphXExecutionProvider"
COREML = "CoreMLExecutionProvider"
DIRECTML = "DmlExecutionProvider"

SHORT_NAMES = {
    "cpu": CPU,
    "cuda": CUDA,
    "tensorrt": TENSORRT,
    "migraphx": MIGRAPHX,
    "rocm": "ROCMExecutionProvider",
    "openvino": OPENVINO,
    "coreml": COREML,
    "directml": DIRECTML,
    "qnn": "QNNExecutionProvider",
    "webgpu": "WebGpuExecutionProvider",
}
"""Names of providers in settings."""


def short_name(provider: str) -> str:
    """A provider's name as settings write it."""
    return next((short for short, name in SHORT_NAMES.items() if name == provider), provider)


def as_set(options: ProviderOptions) -> str:
    """Options as LECTERN_PROVIDER_OPTIONS writes them."""
    pairs = (f"{short_name(name)}.{option}={value}" for name, own in options.items() for option, value in own.items())
    return ", ".join(pairs)


_Check = Callable[[str], str | None]
"""Returns what is wrong with a value; None if nothing is."""


def _text(value: str) -> str | None:
    return None


def _number(value: str) -> str | None:
    return None if re.fullmatch(r"[0-9]{1,19}", value) else "write a whole number, 0 or more"


def _flag(value: str) -> str | None:
    return None if value.lower() in ("0", "1", "true", "false") else "write 0 or 1"


def _one_of(*values: str) -> _Check:
    return lambda value: None if value in values else f"write {', '.join(values[:-1])} or {values[-1]}"


def _folder(value: str) -> str | None:
    """The cache of a provider: it is created, and must be writable."""
    try:
        Path(value).mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=value):
            return None
    except OSError as error:
        return cannot_be_written(error)


def cannot_be_written(error: OSError) -> str:
    """That the folder of a cache cannot be written, and what to do about it."""
    return f"this folder cannot be written ({os.strerror(error.errno or 0)}); name another one, or leave it out"


_ARENA = _one_of("kNextPowerOfTwo", "kSameAsRequested")

_CUDA: dict[str, _Check] = {
    "device_id": _number,
    "gpu_mem_limit": _number,
    "arena_extend_strategy": _ARENA,
    "cudnn_conv_algo_search": _one_of("EXHAUSTIVE", "HEURISTIC", "DEFAULT"),
    "cudnn_conv_use_max_workspace": _flag,
    "cudnn_conv1d_pad_to_nc1d": _flag,
    "do_copy_in_default_stream": _flag,
    "enable_cuda_graph": _flag,
    "enable_skip_layer_norm_strict_mode": _flag,
    "fuse_conv_bias": _flag,
    "prefer_nhwc": _flag,
    "sdpa_kernel": _number,
    "tunable_op_enable": _flag,
    "tunable_op_tuning_enable": _flag,
    "tunable_op_max_tuning_duration_ms": _number,
    "use_ep_level_unified_stream": _flag,
    "use_tf32": _flag,
}

_TENSORRT: dict[str, _Check] = {
    "device_id": _number,
    **dict.fromkeys(
        (
            "trt_bf16_enable",
            "trt_build_heuristics_enable",
            "trt_context_memory_sharing_enable",
            "trt_cuda_graph_enable",
            "trt_detailed_build_log",
            "trt_dla_enable",
            "trt_dump_subgraphs",
            "trt_engine_cache_enable",
            "trt_engine_hw_compatible",
            "trt_force_sequential_engine_build",
            "trt_force_timing_cache",
            "trt_fp16_enable",
            "trt_int8_enable",
            "trt_int8_use_native_calibration_table",
            "trt_layer_norm_fp32_fallback",
            "trt_sparsity_enable",
            "trt_timing_cache_enable",
        ),
        _flag,
    ),
    **dict.fromkeys(
        (
            "trt_builder_optimization_level",
            "trt_dla_core",
            "trt_max_partition_iterations",
            "trt_max_workspace_size",
            "trt_min_subgraph_size",
        ),
        _number,
    ),
    **dict.fromkeys(
        (
            "trt_auxiliary_streams",
            "trt_engine_cache_prefix",
            "trt_extra_plugin_lib_paths",
            "trt_int8_calibration_table_name",
            "trt_op_types_to_exclude",
            "trt_preview_features",
            "trt_profile_max_shapes",
            "trt_profile_min_shapes",
            "trt_profile_opt_shapes",
            "trt_tactic_sources",
        ),
        _text,
    ),
    "trt_engine_cache_path": _folder,
    "trt_timing_cache_path": _folder,
}

_OPENVINO: dict[str, _Check] = {
    "device_type": _text,
    "precision": _one_of("FP32", "FP16", "ACCURACY"),
    "num_of_threads": _number,
    "num_streams": _number,
    "cache_dir": _folder,
    "load_config": _text,
    "model_priority": _one_of("LOW", "MEDIUM", "HIGH", "DEFAULT"),
    "enable_opencl_throttling": _flag,
    "enable_qdq_optimizer": _flag,
    "disable_dynamic_shapes": _flag,
    "reshape_input": _text,
    "layout": _text,
}

_MIGRAPHX: dict[str, _Check] = {
    "device_id": _number,
    "migraphx_fp16_enable": _flag,
    "migraphx_bf16_enable": _flag,
    "migraphx_fp8_enable": _flag,
    "migraphx_int8_enable": _flag,
    "migraphx_int8_calibration_table_name": _text,
    "migraphx_int8_use_native_calibration_table": _flag,
    "migraphx_exhaustive_tune": _flag,
    "migraphx_mem_limit": _number,
    "migraphx_arena_extend_strategy": _ARENA,
    "migraphx_model_cache_dir": _folder,
    "migraphx_max_dynamic_batch": _number,
    "migraphx_max_compiled_models": _number,
}

_COREML: dict[str, _Check] = {
    "ModelFormat": _one_of("MLProgram", "NeuralNetwork"),
    "MLComputeUnits": _one_of("CPUOnly", "CPUAndNeuralEngine", "CPUAndGPU", "ALL"),
    "RequireStaticInputShapes": _flag,
    "EnableOnSubgraphs": _flag,
    "SpecializationStrategy": _one_of("Default", "FastPrediction"),
    "ProfileComputePlan": _flag,
    "AllowLowPrecisionAccumulationOnGPU": _flag,
    "ModelCacheDirectory": _folder,
}

_DIRECTML: dict[str, _Check] = {
    "device_id": _number,
    "performance_preference": _one_of("default", "high_performance", "minimum_power"),
    "device_filter": _text,
    "disable_metacommands": _flag,
    "enable_graph_capture": _flag,
}

KNOWN: Mapping[str, Mapping[str, _Check]] = {
    CPU: {},
    CUDA: _CUDA,
    TENSORRT: _TENSORRT,
    OPENVINO: _OPENVINO,
    MIGRAPHX: _MIGRAPHX,
    COREML: _COREML,
    DIRECTML: _DIRECTML,
}
"""The options of the providers that are checked here (onnxruntime 1.31, onnxruntime-openvino 1.24)."""

CACHES = {
    provider: tuple(option for option, check in known.items() if check is _folder) for provider, known in KNOWN.items()
}
"""The options that name a folder in which a provider keeps what it compiled."""

_NEEDS = {
    "trt_engine_cache_path": "trt_engine_cache_enable",
    "trt_timing_cache_path": "trt_timing_cache_enable",
}
"""Options without effect unless another one is 1, which is set with them."""

_EXAMPLE = "cuda.device_id=1,cuda.gpu_mem_limit=4000000000"


def parse_options(text: str) -> ProviderOptions:
    """Read the options of providers as a setting writes them.

    Args:
        text: `PROVIDER.OPTION=VALUE`, separated by commas; or, for values with commas, a JSON object by provider:
            `{"openvino": {"device_type": "HETERO:GPU,CPU"}}`.

    Raises:
        ConfigurationError: it is neither, or an option or a value is not what the provider takes. Folders for caches
            are created, and refused where they cannot be written.
    """
    options: dict[str, dict[str, str]] = {}
    for provider, option, value in _items(text.strip()):
        name = SHORT_NAMES.get(provider.lower(), provider)
        if not name.endswith("ExecutionProvider"):
            raise ConfigurationError(
                f"{provider!r} is no execution provider; write {', '.join(SHORT_NAMES)} or one of onnxruntime's names"
            )
        own = options.setdefault(name, {})
        if option in own:
            raise ConfigurationError(f"{provider}.{option} is set twice; set it once")
        _check(provider, name, option, value)
        own[option] = value
    for own in options.values():
        for option, needed in _NEEDS.items():
            if option in own:
                own.setdefault(needed, "1")
    return options


def _items(text: str) -> list[tuple[str, str, str]]:
    """Every (provider, option, value) of the setting."""
    if text.startswith("{"):
        return _json_items(text)
    items = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = re.fullmatch(r"([A-Za-z]+)\.([A-Za-z0-9_.]+)\s*=\s*(.*)", part)
        if match is None:
            raise ConfigurationError(
                f"{part!r} is no option; write PROVIDER.OPTION=VALUE, separated by commas, as {_EXAMPLE}, or, where a "
                'value has commas, JSON as {"openvino": {"device_type": "HETERO:GPU,CPU"}}'
            )
        items.append((match[1], match[2], match[3]))
    return items


def _json_items(text: str) -> list[tuple[str, str, str]]:
    wrong = ConfigurationError('is no JSON object by provider; write {"cuda": {"device_id": 1}}')
    try:
        document = orjson.loads(text)
    except ValueError as error:
        raise ConfigurationError(f"{wrong} ({error})") from error
    if not all(isinstance(own, dict) for own in document.values()):
        raise wrong
    return [(name, option, _as_text(value)) for name, own in document.items() for option, value in own.items()]


def _as_text(value: Any) -> str:
    """A value of JSON as onnxruntime takes it: text."""
    if isinstance(value, bool):
        return str(int(value))
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _check(provider: str, name: str, option: str, value: str) -> None:
    """Raise ConfigurationError unless a provider takes an option with this value."""
    known = KNOWN.get(name)
    if known is None:
        return
    if option not in known:
        near = difflib.get_close_matches(option, known, 1, cutoff=0.75)
        meant = f"; did you mean {near[0]}?" if near else ""
        all_known = f"it knows {', '.join(sorted(known))}" if known else "it has none"
        raise ConfigurationError(f"{provider} knows no option {option!r}{meant or ','} {all_known}")
    if (wrong := known[option](value)) is not None:
        raise ConfigurationError(f"{provider}.{option}={value}: {wrong}")
