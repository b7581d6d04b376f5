"""Requests and answers of the Open Inference Protocol v2, as JSON.

Parameters of extensions that are not implemented are ignored, except those that would change the answer: they are
refused by name.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, RootModel, field_validator

from service.tasks.base import StopAtFirst
from service.tasks.body_fields import NullAs, nullable

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

# Error messages repeat names and shapes, so these must be short.
ShortName = Annotated[str, Field(max_length=128)]

# Typed as Any: validating every number with pydantic would cost more than the inference. The codec checks them.
_DATA_SCHEMA: dict[str, JsonValue] = {"type": "array", "items": {}}

Flag = Annotated[bool, NullAs(lambda: False)]
Count = Annotated[int, Field(ge=0), NullAs(lambda: 0)]
ContentType = Annotated[
    str | None,
    Field(description="How the values are encoded, by the names of MLServer's codecs; of BYTES `base64` is decoded."),
]


class _Schema(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", protected_namespaces=(), frozen=True)


class RequestParameters(_Schema):
    """Parameters of the whole request."""

    timeout: Count = Field(default=0, description="Deadline in microseconds; 0: the server's default.")
    priority: Count = Field(default=0, description="Accepted; every request has the same priority.")
    binary_data_output: Flag = Field(default=False, description="Whether to return all outputs as binary data.")
    sequence_id: Annotated[int | str, NullAs(lambda: 0)] = Field(
        default=0, description="Must be 0 or empty: sequences are not implemented."
    )
    sequence_start: Flag = False
    sequence_end: Flag = False
    content_type: ContentType = None

    @field_validator("sequence_id", "sequence_start", "sequence_end")
    @classmethod
    def _no_sequence(cls, value: object) -> object:
        if value:
            raise ValueError("sequences are not implemented; every request is answered by itself, leave this out")
        return value


class _NoSharedMemory(_Schema):
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
        default=None, ge=0, description="Number of bytes of this tensor after the JSON; replaces `data`."
    )
    content_type: ContentType = None


class OutputParameters(_NoSharedMemory):
    """Parameters of an output."""

    binary_data: bool | None = Field(default=None, description="Whether to return it as binary data.")
    classification: Count = Field(
        default=0,
        description="Number of highest values to return as BYTES `value:index:label`; 0: all as they are.",
    )
    content_type: str | None = Field(default=None, description="`np`, `pd` or, of BYTES, `str`; all the same.")


class RequestInput(_Schema):
    """An input tensor."""

    name: ShortName
    shape: list[Annotated[int, Field(ge=0)]] = Field(max_length=16)
    datatype: DatatypeName
    parameters: Annotated[InputParameters, NullAs(InputParameters)] = InputParameters()
    data: Any = Field(
        default=None,
        description="The values, flat in row-major order or nested; a single text may stand without a list.",
        json_schema_extra=nullable({"anyOf": [_DATA_SCHEMA, {"type": "string"}]}),
    )


class RequestOutput(_Schema):
    """A requested output."""

    name: ShortName
    parameters: Annotated[OutputParameters, NullAs(OutputParameters)] = OutputParameters()


class InferRequest(_Schema):
    """A request for an inference."""

    id: Annotated[str | None, BeforeValidator(lambda value: str(value) if type(value) is int else value)] = Field(
        default=None,
        description="Returned in the answer, a number as text.",
        json_schema_extra={"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]},
    )
    parameters: Annotated[RequestParameters, NullAs(RequestParameters)] = RequestParameters()
    inputs: Annotated[list[RequestInput], StopAtFirst()] = Field(json_schema_extra={"minItems": 1})
    # A list as the default would be copied for each request.
    outputs: Annotated[list[RequestOutput], StopAtFirst(), NullAs(list)] = Field(
        default_factory=list, description="The outputs to return; all by default.", json_schema_extra={"default": []}
    )


class BinaryParameters(_Schema):
    """Size of an output that is returned as binary data."""

    binary_data_size: int


class ResponseOutput(_Schema):
    """An output tensor."""

    name: str
    datatype: DatatypeName
    shape: list[int]
    parameters: BinaryParameters | None = Field(default=None, description="Only of a tensor that is binary data.")
    data: Any = Field(default=None, description="The values, flat in row-major order.", json_schema_extra=_DATA_SCHEMA)


class InferResponse(_Schema):
    """The answer to an inference."""

    model_name: str
    model_version: str
    id: str | None = Field(default=None, description="The id of the request, if it had one.")
    outputs: list[ResponseOutput]


class ServerMetadata(_Schema):
    """The server and the extensions of the protocol that it implements."""

    name: str
    version: str
    extensions: list[str]


class TensorMetadata(_Schema):
    """An input or output of a model."""

    name: str
    datatype: DatatypeName
    shape: list[int] = Field(description="Sizes of the axes; -1 if the size varies. The first axis is the batch.")


class ModelMetadata(_Schema):
    """A model, its tensors, and the platform that runs it."""

    name: str
    versions: list[str] = Field(description="The versions that can be requested.")
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]
    parameters: dict[str, str | bool] = Field(
        description="Task, license of the weights, the requested execution providers and those in use."
    )


class ModelReady(_Schema):
    """A model that is ready."""

    name: str
    ready: bool


class ModelConfig(_Schema):
    """The parts of Triton's model configuration that apply to this server."""

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
    model_transaction_policy: dict[str, bool] = Field(
        description="`decoupled`: whether a request in a stream of gRPC may have several answers."
    )


class DurationStatistic(_Schema):
    """Number of events and their total duration."""

    count: int
    ns: int


class InferenceStatistics(_Schema):
    """Statistics of requests by outcome and by stage."""

    success: DurationStatistic
    fail: DurationStatistic
    queue: DurationStatistic
    compute_input: DurationStatistic
    compute_infer: DurationStatistic
    compute_output: DurationStatistic
    cache_hit: DurationStatistic
    cache_miss: DurationStatistic


class ModelStatistics(_Schema):
    """Statistics of one version of a model since the server started."""

    name: str
    version: str
    last_inference: int = Field(description="Time of the last one, in milliseconds since the epoch; 0: never.")
    inference_count: int = Field(description="Number of rows inferred.")
    execution_count: int = Field(description="Number of runs of the model; requests may share a run.")
    inference_stats: InferenceStatistics
    batch_stats: list[Any] = Field(description="Always empty: batch sizes are not recorded.")


class Statistics(_Schema):
    """Statistics of the versions that serve, summed over the worker processes."""

    model_stats: list[ModelStatistics]


class IndexRequest(_Schema):
    """A request for the list of models."""

    ready: Flag = Field(default=False, description="Whether to list only models that serve.")


class IndexLine(_Schema):
    """A version of a model in the repository."""

    name: str
    version: str
    state: str
    reason: str


class Index(RootModel[list[IndexLine]]):
    """The versions of all models in the repository."""


class ControlRequest(_Schema):
    """A request to load or unload a model."""

    parameters: Annotated[dict[str, Any], NullAs(dict)] = Field(
        default={},
        description="`version`: the only version to load. `config` and `file:…` are not implemented and refused.",
    )
