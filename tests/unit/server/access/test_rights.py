"""The table of rights: it has a line for every RPC and route that a server has, and none for others."""

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor

from shortlist.proto import retrieval_pb2
from shortlist.server.access import rights
from shortlist.server.access.rights import Right
from shortlist.server.http import faces
from shortlist.server.http.served import Served
from shortlist.server.inference.watchdog import Watchdog
from shortlist.server.observing.calls import Calls
from shortlist.server.observing.metrics import Metrics
from shortlist.server.rpc import health
from shortlist.server.rpc.deadlines import Deadlines
from shortlist.server.rpc.health import Health
from shortlist.server.rpc.server import SERVICES, Servicers, add_to
from shortlist.server.settings import Settings
from shortlist.server.tei.models import Models


class Registry:
    """In place of gRPC's server: which methods are added to it."""

    def __init__(self) -> None:
        self.methods: set[str] = set()

    def add_registered_method_handlers(self, service: str, handlers: dict[str, object]) -> None:
        self.methods |= {f"/{service}/{name}" for name in handlers}

    def add_generic_rpc_handlers(self, handlers: tuple[grpc.GenericRpcHandler, ...]) -> None:
        for handler in handlers:
            self.methods |= set(handler._method_handlers)  # gRPC has no other way to list them


@pytest.fixture
def served(components) -> Served:
    """Return the parts of a server."""
    settings = Settings(ui="on")
    pipeline, scheduler = components.pipeline, components.scheduler
    watchdog, status = Watchdog(scheduler, pipeline.probe), Health(SERVICES)
    servicers = Servicers.of(pipeline, Models(pipeline, "embedder", 1000), Deadlines(30.0, 0.015), 1, 1)
    calls = Calls(Metrics(pipeline, scheduler, watchdog))
    return Served(settings, "", pipeline, scheduler, watchdog, servicers, status, calls)


def test_every_rpc_has_a_right(served: Served):
    """What gRPC serves, and what the table has, are the same RPCs."""
    registry = Registry()
    add_to(registry, served.servicers, served.health)
    health.describe(registry, SERVICES)
    assert registry.methods == set(rights.RPCS)


def test_every_route_has_a_right(served: Served):
    """What HTTP serves is in the table, and the table has no route that is gone."""
    routes = faces.routes(served)
    needs = {f"{one.method} {one.path}": rights.of_route(one.method, one.path) for one in routes}
    assert set(rights.ROUTES) <= set(needs)
    assert {route for route, need in needs.items() if need.right is Right.OPEN} == {
        *(f"GET {path}" for path in ("/", "/health", "/ping", "/ui", "/ui/*")),
        *(f"GET /{model}{path}" for model in ("embedder", "reranker") for path in ("", "/health", "/ping")),
    }


@pytest.mark.parametrize("path", ["/embedders", "/nowhere", "/embedder/nowhere"])
def test_a_route_without_a_right(path: str):
    """It stops the start, so that nobody is served what nobody thought of."""
    with pytest.raises(LookupError, match="does not say which right"):
        rights.of_route("GET", path)


def test_what_names_collections_says_so():
    """A request with a field for collections says in the table that it is about them, or about all."""
    for service in retrieval_pb2.DESCRIPTOR.services_by_name.values():
        for method in service.methods:
            need = rights.RPCS[f"/{service.full_name}/{method.name}"]
            fields = [field.name for field in method.input_type.fields if field.name in {"collection", "collections"}]
            assert need.everything or set(fields) <= set(need.of), method.full_name
            for path in need.of:
                message = method.input_type
                *steps, last = path.split(".")
                for step in steps:
                    message = message.fields_by_name[step].message_type
                assert message.fields_by_name[last].type == FieldDescriptor.TYPE_STRING
