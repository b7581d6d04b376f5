"""Options of execution providers: parsed, and refused with the options that the provider knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.errors import ConfigurationError
from service.runtime.engine_cache import STAMP, check_caches
from service.runtime.provider_options import CUDA, KNOWN, OPENVINO, TENSORRT, parse_options


def test_options_by_provider() -> None:
    text = "cuda.device_id=1, cuda.gpu_mem_limit = 4000000000,tensorrt.trt_fp16_enable=1,,CUDA.use_tf32=0"
    assert parse_options(text) == {
        CUDA: {"device_id": "1", "gpu_mem_limit": "4000000000", "use_tf32": "0"},
        TENSORRT: {"trt_fp16_enable": "1"},
    }


def test_json_for_values_with_commas() -> None:
    text = (
        '{"openvino": {"device_type": "HETERO:GPU,CPU", "num_streams": 2, "load_config": "{}"}, '
        '"cuda": {"use_tf32": true}}'
    )
    assert parse_options(text) == {
        OPENVINO: {"device_type": "HETERO:GPU,CPU", "num_streams": "2", "load_config": "{}"},
        CUDA: {"use_tf32": "1"},
    }


@pytest.mark.parametrize("text", ["", "  ", "{}"])
def test_no_options(text: str) -> None:
    assert parse_options(text) == {}


def test_options_of_providers_that_are_not_in_the_table_pass() -> None:
    assert parse_options("qnn.backend_path=libQnnHtp.so,VitisAIExecutionProvider.config_file=vaip.json") == {
        "QNNExecutionProvider": {"backend_path": "libQnnHtp.so"},
        "VitisAIExecutionProvider": {"config_file": "vaip.json"},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("device_id=1", r"^'device_id=1' is no option; write PROVIDER\.OPTION=VALUE"),
        ("cuda.device_id", r"^'cuda\.device_id' is no option"),
        ("gpu.device_id=1", r"^'gpu' is no execution provider; write cpu, cuda, tensorrt"),
        ("cuda.device=1", r"^cuda knows no option 'device'; did you mean device_id\? it knows arena_extend_strategy, "),
        ("cuda.trt_fp16_enable=1", r"^cuda knows no option 'trt_fp16_enable', it knows arena_.*use_tf32$"),
        ("cpu.threads=4", r"^cpu knows no option 'threads', it has none$"),
        ("cuda.device_id=-1", r"^cuda\.device_id=-1: write a whole number, 0 or more$"),
        ("cuda.gpu_mem_limit=4G", r"^cuda\.gpu_mem_limit=4G: write a whole number"),
        ("cuda.use_tf32=yes", r"^cuda\.use_tf32=yes: write 0 or 1$"),
        ("cuda.arena_extend_strategy=big", r"=big: write kNextPowerOfTwo or kSameAsRequested$"),
        ("openvino.precision=INT4", r"^openvino\.precision=INT4: write FP32, FP16 or ACCURACY$"),
        ("cuda.device_id=0,cuda.device_id=1", r"^cuda\.device_id is set twice; set it once$"),
        ('{"cuda": 1}', r'^is no JSON object by provider; write \{"cuda": \{"device_id": 1\}\}$'),
        ('{"cuda": {', r"^is no JSON object by provider; .*\("),
    ],
)
def test_what_is_wrong_is_named_with_what_is_right(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        parse_options(text)


@pytest.mark.parametrize("option", ["tensorrt.trt_engine_cache_path", "openvino.cache_dir"])
def test_a_cache_that_cannot_be_written_is_refused(tmp_path: Path, option: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        ConfigurationError, match=rf"^{option}=.*/file/cache: this folder cannot be written \(Not a dir"
    ):
        parse_options(f"{option}={tmp_path}/file/cache")


def test_a_cache_turns_on_what_it_is_for(tmp_path: Path) -> None:
    options = parse_options(f"tensorrt.trt_engine_cache_path={tmp_path}/a,tensorrt.trt_timing_cache_path={tmp_path}/b")
    assert options[TENSORRT]["trt_engine_cache_enable"] == "1"
    assert options[TENSORRT]["trt_timing_cache_enable"] == "1"


def test_a_cache_of_another_version_is_refused(tmp_path: Path) -> None:
    options = parse_options(f"openvino.cache_dir={tmp_path}/cache")
    check_caches(options, "1.31.1 Release")
    assert (tmp_path / "cache" / STAMP).read_text() == "1.31.1 Release"
    check_caches(options, "1.31.1 Release")
    with pytest.raises(
        ConfigurationError,
        match=r"^openvino\.cache_dir=.*/cache: holds what onnxruntime 1\.31\.1 Release compiled, this is 1\.32\.0; "
        r"empty the folder or name another$",
    ):
        check_caches(options, "1.32.0")


def test_a_stamp_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / STAMP).mkdir()
    with pytest.raises(ConfigurationError, match=r"^openvino\.cache_dir=.*: this folder cannot be written \(Is a dir"):
        check_caches({OPENVINO: {"cache_dir": str(tmp_path)}}, "1.31.1")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00"])
def test_a_stamp_that_names_no_version_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / STAMP).write_bytes(content)
    with pytest.raises(
        ConfigurationError, match=r"cache_dir=.*: holds what an unknown version of onnxruntime compiled, this is 1\.31"
    ):
        check_caches({OPENVINO: {"cache_dir": str(tmp_path)}}, "1.31.1")


def test_every_provider_with_a_device_id_checks_it() -> None:
    for name, known in KNOWN.items():
        if "device_id" in known:
            assert known["device_id"]("first") is not None, name
