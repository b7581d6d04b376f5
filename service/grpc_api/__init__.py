"""The Open Inference Protocol over gRPC, as Triton has it: another encoding of the operations of `open_inference`.

It needs the extra `grpc`, and is imported only where LECTERN_GRPC_PORT is set.
"""
