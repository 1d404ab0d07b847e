"""The services of shortlist.v1, and the gRPC server that has them. Their bodies are in modules of their own."""

from collections.abc import Sequence
from dataclasses import dataclass

import grpc

from shortlist.proto import retrieval_pb2, retrieval_pb2_grpc
from shortlist.server.search.pipeline import Pipeline

from . import health, inference, services
from .deadlines import Deadlines
from .health import Health
from .interceptor import Interceptor
from .reindexes import Reindexes

SERVICES = tuple(service.full_name for service in retrieval_pb2.DESCRIPTOR.services_by_name.values())


@dataclass(frozen=True, slots=True)
class Servicers:
    """What answers the RPCs of shortlist.v1, over gRPC and over HTTP."""

    deadlines: Deadlines
    retrieval: services.Retrieval
    inference: inference.Inference
    snapshots: services.Snapshots
    reindexes: Reindexes

    @classmethod
    def of(cls, pipeline: Pipeline, deadlines: Deadlines, slots: int, threads: int) -> "Servicers":
        """Return those of one pipeline."""
        description = inference.describe(pipeline, slots, threads)
        return cls(
            deadlines,
            services.Retrieval(pipeline, deadlines),
            inference.Inference(pipeline, deadlines, description),
            services.Snapshots(pipeline.contents),
            Reindexes(pipeline.reindexing, deadlines),
        )


def server(
    servicers: Servicers, status: Health, interceptor: Interceptor, options: Sequence[tuple[str, int]]
) -> grpc.aio.Server:
    """Return a server that does not listen yet."""
    made = grpc.aio.server(interceptors=(interceptor,), options=options)
    retrieval_pb2_grpc.add_RetrievalServicer_to_server(servicers.retrieval, made)
    retrieval_pb2_grpc.add_InferenceServicer_to_server(servicers.inference, made)
    retrieval_pb2_grpc.add_SnapshotsServicer_to_server(servicers.snapshots, made)
    retrieval_pb2_grpc.add_ReindexesServicer_to_server(servicers.reindexes, made)
    health.add_to(made, SERVICES, status)
    return made
