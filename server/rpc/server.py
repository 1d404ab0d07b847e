"""The services of shortlist.v1 and tei.v1, in modules of their own, and the gRPC server that has them."""

from collections.abc import Sequence
from dataclasses import dataclass

import grpc

from shortlist.proto import retrieval_pb2, retrieval_pb2_grpc, tei_pb2
from shortlist.server.search.pipeline import Pipeline
from shortlist.server.tei.models import Models

from . import health, inference, services, tei
from .deadlines import Deadlines
from .health import Health
from .interceptor import Interceptor
from .reindexes import Reindexes

SERVICES = tuple(
    service.full_name
    for contract in (retrieval_pb2, tei_pb2)
    for service in contract.DESCRIPTOR.services_by_name.values()
)


@dataclass(frozen=True, slots=True)
class Servicers:
    """What answers the RPCs: those of shortlist.v1 over gRPC and over HTTP, those of tei.v1 over gRPC."""

    deadlines: Deadlines
    retrieval: services.Retrieval
    inference: inference.Inference
    snapshots: services.Snapshots
    reindexes: Reindexes
    tei: tei.Face

    @classmethod
    def of(cls, pipeline: Pipeline, models: Models, deadlines: Deadlines, slots: int, threads: int) -> "Servicers":
        """Return those of one pipeline, whose models TEI's clients know as `models`."""
        description = inference.describe(pipeline, slots, threads)
        return cls(
            deadlines,
            services.Retrieval(pipeline, deadlines),
            inference.Inference(pipeline, deadlines, description),
            services.Snapshots(pipeline),
            Reindexes(pipeline.reindexing, deadlines),
            tei.Face(models, deadlines),
        )


def server(
    servicers: Servicers,
    status: Health,
    interceptor: Interceptor,
    options: Sequence[tuple[str, int]],
    *,
    described: bool,
) -> grpc.aio.Server:
    """Return a server that does not listen yet, with reflection where it is to describe itself."""
    made = grpc.aio.server(interceptors=(interceptor,), options=options)
    add_to(made, servicers, status)
    if described:
        health.describe(made, SERVICES)
    return made


def add_to(server: grpc.aio.Server, servicers: Servicers, status: Health) -> None:
    """Add all services to a server, and their health."""
    retrieval_pb2_grpc.add_RetrievalServicer_to_server(servicers.retrieval, server)
    retrieval_pb2_grpc.add_InferenceServicer_to_server(servicers.inference, server)
    retrieval_pb2_grpc.add_SnapshotsServicer_to_server(servicers.snapshots, server)
    retrieval_pb2_grpc.add_ReindexesServicer_to_server(servicers.reindexes, server)
    servicers.tei.add_to(server)
    health.add_to(server, status)
