"""What grpc.health.v1 says of the server and of each of its services, and reflection, in both of its versions.

grpcio-health-checking 1.85 has no `List`, and grpcio-reflection only the version `v1alpha` of a protocol that `v1`
took over as it was; both are added here.
"""

import contextlib
from collections.abc import Sequence
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, text_format
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection, reflection_pb2
from grpc_reflection.v1alpha._async import ReflectionServicer

_ALPHA, _V1 = "grpc.reflection.v1alpha", "grpc.reflection.v1"
_REFLECTION_V1 = f"{_V1}.ServerReflection"


class Health(HealthServicer):  # type: ignore[misc] # its package has no types
    """The health of a server, which is that of each of its services."""

    def __init__(self, services: Sequence[str]) -> None:
        """Begin with NOT_SERVING.

        Args:
            services: their full names.
        """
        super().__init__()
        self._services = ("", *services)  # the empty name stands for the whole server
        self._server_status = dict.fromkeys(self._services, health_pb2.HealthCheckResponse.NOT_SERVING)

    @property
    def serving(self) -> bool:
        """Whether the server says SERVING of itself."""
        return bool(self._server_status[""] == health_pb2.HealthCheckResponse.SERVING)

    async def tell(self, fault: str) -> None:
        """Set SERVING, or NOT_SERVING if there is a fault; after a stop has begun nothing changes."""
        states = health_pb2.HealthCheckResponse
        for name in self._services:
            await self.set(name, states.NOT_SERVING if fault else states.SERVING)

    async def List(self, request: health_pb2.HealthListRequest, context: Any) -> health_pb2.HealthListResponse:
        """Return the health of each service."""
        return health_pb2.HealthListResponse(
            statuses={
                name: health_pb2.HealthCheckResponse(status=status) for name, status in self._server_status.items()
            }
        )


def add_to(server: grpc.aio.Server, status: Health) -> None:
    """Add health to a server."""
    health_pb2_grpc.add_HealthServicer_to_server(status, server)


def describe(server: grpc.aio.Server, services: Sequence[str]) -> None:
    """Add reflection to a server, for its services, health and itself."""
    names = (*services, health.SERVICE_NAME, reflection.SERVICE_NAME, _REFLECTION_V1)
    reflection.enable_server_reflection(names, server)
    _describe_v1()
    handler = grpc.stream_stream_rpc_method_handler(
        ReflectionServicer(names).ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    methods = {"ServerReflectionInfo": handler}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_REFLECTION_V1, methods),))


def _describe_v1() -> None:
    """Let reflection find its own version 1: the file of v1alpha under the other name."""
    pool, file = descriptor_pool.Default(), descriptor_pb2.FileDescriptorProto()
    reflection_pb2.DESCRIPTOR.CopyToProto(file)
    file = text_format.Parse(
        text_format.MessageToString(file).replace(_ALPHA, _V1), descriptor_pb2.FileDescriptorProto()
    )
    file.ClearField("options")
    file.name = "grpc/reflection/v1/reflection.proto"
    with contextlib.suppress(KeyError):
        pool.FindFileByName(file.name)  # another package may have added it
        return
    pool.AddSerializedFile(file.SerializeToString())
