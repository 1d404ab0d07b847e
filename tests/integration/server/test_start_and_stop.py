"""A server's life: where it listens and what it writes; a stop drains, saves and exits with 0."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from shortlist.bench import local
from shortlist.client import Client, Document, ServerError, Unavailable
from shortlist.proto import retrieval_pb2 as pb
from shortlist.proto.retrieval_pb2_grpc import InferenceStub

WAIT_S = 60


def test_a_full_disk_loses_nothing(options: list[str], tmp_path: Path):
    """Where nothing can be written any more, a change fails as a whole with the reason, and searches go on."""
    limit = 600_000  # bytes a file: the index and SQLite's log stop growing there
    program = "import resource, os, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2);"
    program += "os.execv(sys.argv[2], sys.argv[2:])"
    command = [sys.executable, "-c", program, str(limit), local.SHORTLIST, "serve", "--port", "0", *options]
    with local.Process(command, stdout=subprocess.PIPE, text=True) as process:
        with Client(local.address(process), timeout_s=WAIT_S) as client:
            client.create_collection("papers")
            client.upsert("papers", [Document("kept", "text")])
            with pytest.raises(ServerError, match=r"the data folder cannot be written: .*; nothing was changed"):
                client.upsert("papers", [Document(str(number), "x" * 10_000) for number in range(100)])
            assert [hit.id for hit in client.search("papers", "text", mode="dense").hits] == ["kept"]
        process.terminate()
        assert process.wait(WAIT_S) == 0
    with local.serving(*options) as address, Client(address) as client:
        assert [document.id for document in client.list("papers")] == ["kept"]


def test_ipv6(options: list[str]):
    """An IPv6 address is announced as addresses are written, so that a client can use it."""
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    with local.serving(*options, "--host", "::1") as address, Client(address) as client:
        assert address.startswith("[::1]:")
        assert client.describe().slots >= 1


def test_nothing_is_kept_in_the_home_folder(options: list[str], tmp_path: Path):
    """The server writes nothing into its user's home: onnxruntime's telemetry is off."""
    home = tmp_path / "home"
    home.mkdir()
    with local.Process(
        [local.SHORTLIST, "serve", "--port", "0", *options],
        stdout=subprocess.PIPE,
        text=True,
        env={"HOME": str(home)},
    ) as process:
        local.address(process)
        process.terminate()
        assert process.wait(WAIT_S) == 0
    assert list(home.iterdir()) == []


def test_a_second_signal_ends_it_at_once(options: list[str]):
    """While a stop waits for a call, a second signal ends the process without waiting."""
    with local.start([*options, "--drain-s", "600"]) as process:
        address = local.address(process)
        with grpc.insecure_channel(address) as channel:
            watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
            assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
            process.send_signal(signal.SIGTERM)
            assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
            process.send_signal(signal.SIGTERM)
            assert process.wait(WAIT_S) == 128 + signal.SIGTERM


def test_health_and_reflection(server):
    """A serving server says SERVING for itself and each service, and tells its services by reflection."""
    with grpc.insecure_channel(server.address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        own = {f"shortlist.v1.{name}" for name in ("Retrieval", "Inference", "Snapshots", "Reindexes")}
        own |= {f"tei.v1.{name}" for name in ("Info", "Embed", "Predict", "Rerank", "Tokenize")}
        for name in {"", *own}:
            answer = health.Check(health_pb2.HealthCheckRequest(service=name), timeout=WAIT_S)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        assert len(health.List(health_pb2.HealthListRequest(), timeout=WAIT_S).statuses) == 1 + len(own)
        services = set(ProtoReflectionDescriptorDatabase(channel).get_services())
        assert {*own, "grpc.health.v1.Health"} <= services
        assert "grpc.reflection.v1.ServerReflection" in services


def test_sigterm_finishes_what_is_under_way(options: list[str], tmp_path: Path):
    """After SIGTERM a call that had begun is answered, new ones are refused, indexes are saved; it exits with 0."""
    with local.start(options) as process:
        address = local.address(process)
        with Client(address, timeout_s=WAIT_S) as client:
            client.create_collection("papers")
            client.upsert("papers", [Document("a", "text")])
        with grpc.insecure_channel(address) as channel:
            request = pb.RerankRequest(query="q", documents=["word " * 300] * 1000)
            call = InferenceStub(channel).Rerank.future(request, timeout=WAIT_S)
            # Behind the rerank on one connection: once this is answered, the rerank has begun.
            InferenceStub(channel).Describe(pb.DescribeRequest(), timeout=WAIT_S)
            watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=WAIT_S)
            assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
            process.send_signal(signal.SIGTERM)
            assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
            watch.cancel()
            assert call.result().reranked == 1000
        assert process.wait(WAIT_S) == 0
        with Client(address, timeout_s=WAIT_S) as client, pytest.raises(Unavailable):
            client.describe()
    assert (tmp_path / "data" / "collections" / "papers" / "vectors.usearch").exists()
