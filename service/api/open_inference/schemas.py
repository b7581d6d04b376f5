"""What goes over the wire in the Open Inference Protocol v2: checked on the way in, described on both.

Fields and parameters of the protocol's extensions that are not implemented are ignored, but for those that would
change the answer: these are refused by name.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, RootModel, field_validator

DatatypeName = Literal[
    "BOOL",
    "UINT8",
    "UINT16",
    "UINT32",
    "UINT64",
    "INT8",
    "INT16",
    "INT32",
    "INT64",
    "FP16",
    "FP32",
    "FP64",
    "BYTES",
]

# Errors repeat names and shapes: neither may be as long as a body.
ShortName = Annotated[str, Field(max_length=128)]

# Typed as Any: a pydantic value per number would cost more than the network. The codec checks every one.
_DATA_SCHEMA: dict[str, JsonValue] = {"type": "array", "items": {}}


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", protected_namespaces=(), frozen=True)


class RequestParameters(_Part):
    """Parameters of the whole request."""

    timeout: int = Field(default=0, ge=0, description="Microseconds until the answer is of no use; 0: the server's.")
    priority: int = Field(default=0, ge=0, description="Accepted; every request has the same priority.")
    binary_data_output: bool = Field(default=False, description="Whether all outputs come as binary data.")
    sequence_id: int | str = Field(default=0, description="Must be 0 or empty: sequences are not implemented.")
    sequence_start: bool = False
    sequence_end: bool = False

    @field_validator("sequence_id", "sequence_start", "sequence_end")
    @classmethod
    def _no_sequence(cls, value: object) -> object:
        if value:
            raise ValueError("sequences are not implemented; every request is answered by itself, leave this out")
        return value


class _NoSharedMemory(_Part):
    shared_memory_region: str | None = Field(default=None, description="Must be absent: not implemented.")

    @field_validator("shared_memory_region")
    @classmethod
    def _not_implemented(cls, value: str | None) -> str | None:
        if value is not None:
            raise ValueError("the shared memory extensions are not implemented; send the tensor in the request")
        return value


class InputParameters(_NoSharedMemory):
    """Parameters of an input."""

    binary_data_size: int | None = Field(
        default=None, ge=0, description="Bytes of this tensor after the JSON, in place of `data`."
    )


class OutputParameters(_NoSharedMemory):
    """Parameters of an output."""

    binary_data: bool | None = Field(default=None, description="Whether it comes as binary data.")
    classification: int = Field(
        default=0, ge=0, description="How many of the highest values to return as BYTES `value:index:label`; 0: none."
    )


class RequestInput(_Part):
    """An input tensor."""

    name: ShortName
    shape: list[Annotated[int, Field(ge=1)]] = Field(max_length=16)
    datatype: DatatypeName
    parameters: InputParameters = InputParameters()
    data: Any = Field(
        default=None, description="The values, flat in row-major order or nested.", json_schema_extra=_DATA_SCHEMA
    )


class RequestOutput(_Part):
    """An output that is asked for."""

    name: ShortName
    parameters: OutputParameters = OutputParameters()


class InferRequest(_Part):
    """A request for an inference."""

    id: str | None = Field(default=None, description="Comes back in the answer.")
    parameters: RequestParameters = RequestParameters()
    inputs: list[RequestInput]
    outputs: list[RequestOutput] = Field(default=[], description="Which outputs to return; all where left out.")


class BinaryParameters(_Part):
    """Where the bytes of an output are."""

    binary_data_size: int


class ResponseOutput(_Part):
    """An output tensor."""

    name: str
    datatype: DatatypeName
    shape: list[int]
    parameters: BinaryParameters | None = Field(default=None, description="Where the tensor comes as binary data.")
    data: Any = Field(default=None, description="The values, flat in row-major order.", json_schema_extra=_DATA_SCHEMA)


class InferResponse(_Part):
    """The answer to an inference."""

    model_name: str
    model_version: str
    id: str | None = Field(default=None, description="That of the request, if it had one.")
    outputs: list[ResponseOutput]


class ServerMetadata(_Part):
    """What answers, and which of the protocol's extensions it implements."""

    name: str
    version: str
    extensions: list[str]


class TensorMetadata(_Part):
    """An input or output of a model."""

    name: str
    datatype: DatatypeName
    shape: list[int] = Field(description="Sizes of the axes; -1 where the size varies. The first axis is the batch.")


class ModelMetadata(_Part):
    """A model, its tensors, and what runs it."""

    name: str
    versions: list[str] = Field(description="The versions that can be asked for.")
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]
    parameters: dict[str, str | bool] = Field(
        description="Task, licence of the weights, the execution providers asked for and those that run."
    )


class ModelReady(_Part):
    """A model that can be asked."""

    name: str
    ready: bool


class ModelConfig(_Part):
    """The parts of Triton's model configuration that hold here."""

    name: str
    platform: str
    backend: str
    version_policy: dict[str, Any]
    max_batch_size: int
    input: list[dict[str, Any]]
    output: list[dict[str, Any]]
    instance_group: list[dict[str, Any]]
    dynamic_batching: dict[str, Any]
    parameters: dict[str, dict[str, str]]


class DurationStatistic(_Part):
    """How often, and how long in all."""

    count: int
    ns: int


class InferenceStatistics(_Part):
    """Requests by outcome and by stage."""

    success: DurationStatistic
    fail: DurationStatistic
    queue: DurationStatistic
    compute_input: DurationStatistic
    compute_infer: DurationStatistic
    compute_output: DurationStatistic
    cache_hit: DurationStatistic
    cache_miss: DurationStatistic


class ModelStatistics(_Part):
    """What one version of a model did since the server started."""

    name: str
    version: str
    last_inference: int = Field(description="Milliseconds since the epoch; 0: never.")
    inference_count: int = Field(description="Rows inferred.")
    execution_count: int = Field(description="Runs of the model; several requests may share one.")
    inference_stats: InferenceStatistics
    batch_stats: list[Any] = Field(description="Empty: not kept by batch size.")


class Statistics(_Part):
    """Statistics of the versions that serve, summed over the worker processes."""

    model_stats: list[ModelStatistics]


class IndexRequest(_Part):
    """Which models to list."""

    ready: bool = Field(default=False, description="Only those that serve.")


class IndexLine(_Part):
    """A version of a model in the repository."""

    name: str
    version: str
    state: str
    reason: str


class Index(RootModel[list[IndexLine]]):
    """The versions of all models in the repository."""


class ControlRequest(_Part):
    """How to load or unload a model."""

    parameters: dict[str, Any] = Field(default={}, description="`config` and `file:…` are refused: not implemented.")
