"""The messages and the service of `grpc_service.proto`, which `make protos` compiles into `descriptors.binpb`.

They are in a descriptor pool of their own: a client in the same process, such as tritonclient, registers other messages
under the same names in protobuf's default pool.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

POOL = DescriptorPool()
"""What reflection describes."""

for _file in FileDescriptorSet.FromString(files(__name__).joinpath("descriptors.binpb").read_bytes()).file:
    POOL.AddSerializedFile(_file.SerializeToString())

SERVICE = "inference.GRPCInferenceService"

METHODS: tuple[MethodDescriptor, ...] = tuple(POOL.FindServiceByName(SERVICE).methods)


def message(name: str) -> Any:
    """The class of a message, such as `ModelInferRequest`."""
    return GetMessageClass(POOL.FindMessageTypeByName(f"inference.{name}"))


ModelInferRequest = message("ModelInferRequest")
ModelInferResponse = message("ModelInferResponse")
ModelStreamInferResponse = message("ModelStreamInferResponse")
