"""OpenVINO on a CPU, with a real server: the CPU provider's scores, and a start that stops when asked too much."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from shortlist.bench import local
from shortlist.client import Client
from shortlist.export.gate import ROUNDING
from shortlist.server import cores
from shortlist.server.runtime import bundle
from shortlist.server.runtime.graph import Graph
from shortlist.server.runtime.providers import Target
from shortlist.server.runtime.tokens import Encoded, Tokenizer

pytestmark = pytest.mark.usefixtures("openvino")

# Both compute in fp32, in another order; the tiny models' logits are some units wide.
TOLERANCE = 1e-4
NEAR = 0.05  # of scores from 0 to 1, with int8 and random weights
QUERY = "how tall is the tower"
DOCUMENTS = ["the tower is " + "very " * count + "tall" for count in range(0, 60, 3)] + ["a river", "copper and tin"]
WAIT_S = 100


@pytest.fixture(scope="module")
def options(tiny) -> list[str]:
    """Return the options that both servers have in common; the reranker's and its variant's are the last."""
    embedder = ["--embedder", str(tiny.embedder), "--embedder-variant", "fp32"]
    return [*embedder, "--log-level", "warning", *reranker(tiny.reranker)]


def reranker(path: Path, variant: str = "fp32") -> list[str]:
    """Return the options that name a reranker."""
    return ["--reranker", str(path), "--reranker-variant", variant]


@pytest.fixture(scope="module")
def clients(options: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Client]]:
    """Run one server a provider, and yield a client of each."""
    data = tmp_path_factory.mktemp("data")
    cpu = [*options, "--data", str(data / "cpu")]
    openvino = [*options, "--data", str(data / "openvino"), "--provider", "openvino", "--slots", "2"]
    with (
        local.serving(*cpu) as first,
        local.serving(*openvino) as second,
        Client(first, timeout_s=WAIT_S) as one,
        Client(second, timeout_s=WAIT_S) as other,
    ):
        yield {"cpu": one, "openvino": other}


def refused(options: list[str], data: Path) -> str:
    """Start a server that must not start, and return its own line; OpenVINO's messages may stand above it."""
    command = [local.SHORTLIST, "serve", "--data", str(data), *options]
    environment = {**os.environ, "SHORTLIST_PORT": "0", "SHORTLIST_PROVIDER": "openvino"}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert (ended.returncode, ended.stdout) == (2, ""), ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stderr.splitlines()[-1]


def test_it_is_openvino_that_runs(clients: dict[str, Client]):
    """The server says which provider each model runs on."""
    described = clients["openvino"].describe()
    assert {described.embedder.provider, described.reranker.provider} == {"OpenVINOExecutionProvider"}


def test_scores_are_the_cpu_s(clients: dict[str, Client]):
    """A rerank's scores are those of the CPU provider, for every length up to the window."""
    found = {name: by_index(client) for name, client in clients.items()}
    np.testing.assert_allclose(found["openvino"], found["cpu"], rtol=0, atol=TOLERANCE)


def test_vectors_are_the_cpu_s(clients: dict[str, Client]):
    """Embeddings are those of the CPU provider."""
    found = {name: np.array(client.embed(DOCUMENTS).vectors) for name, client in clients.items()}
    np.testing.assert_allclose(found["openvino"], found["cpu"], rtol=0, atol=TOLERANCE)


def test_a_score_does_not_depend_on_others(clients: dict[str, Client]):
    """A document's score is the same to the last bit alone and among others of other lengths."""
    assert by_index(clients["openvino"]) == alone(clients["openvino"])


def test_shapes_are_few_and_results_the_same(tiny):
    """Every length up to the window runs as one of the buckets that the start ran, alone or in a stack."""
    source = bundle.load(tiny.reranker)
    loaded = Graph(source, "fp32", Target("openvino"), batch_tokens=200)
    plain = Graph(source, "fp32", Target(), batch_tokens=0)
    (longest,) = Tokenizer(source).encode(["word " * source.manifest.max_tokens])
    items = [
        Encoded(longest.input_ids[:length], longest.type_ids[:length], truncated=False)
        for length in range(3, len(longest) + 1)
    ]
    seen = set()
    run = loaded._session.run

    def watched(output, feeds):
        seen.add(feeds["input_ids"].shape)
        return run(output, feeds)

    loaded._session.run = watched
    expected = np.concatenate([plain.run([item]) for item in items])
    np.testing.assert_allclose(np.concatenate([loaded.run([item]) for item in items]), expected, atol=TOLERANCE)
    np.testing.assert_allclose(loaded.run(items), expected, rtol=0, atol=TOLERANCE)
    shapes = loaded.shapes
    assert seen <= {(count, length) for length in shapes.lengths() for count in shapes.batches(length)}


def test_a_graph_that_is_taken_in_part(options: list[str], tmp_path: Path):
    """int8-token would run half on onnxruntime's own kernels, and slower: it is refused with the way out."""
    line = refused([*options[:-1], "int8-token"], tmp_path)
    assert "provider openvino takes only a part of int8-token.onnx" in line
    assert "--reranker-variant" in line


def test_a_server_runs_int8_static(
    static: bundle.Bundle, options: list[str], clients: dict[str, Client], tmp_path: Path
):
    """OpenVINO takes the graph whole, and a server's scores with it are near fp32's, in a crowd too."""
    changed = [*options[:-4], *reranker(static.path, "int8-static"), "--provider", "openvino"]
    with (
        local.serving(*changed, "--data", str(tmp_path)) as address,
        Client(address, timeout_s=WAIT_S) as client,
    ):
        described = client.describe().reranker
        assert (described.variant, described.provider) == ("int8-static", "OpenVINOExecutionProvider")
        difference = np.abs(np.subtract(by_index(client), by_index(clients["cpu"])))
        assert 0 < difference.max() < NEAR
        # Without VNNI its kernels add up in another order in a batch.
        rounding = ROUNDING if cores.saturates(cores.processor()) else 0
        assert by_index(client) == pytest.approx(alone(client), abs=rounding)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("no_such_option=1", "no_such_option"),
        ("NO_SUCH_PROPERTY=1", "NO_SUCH_PROPERTY"),
        ("device_type=NO_SUCH_DEVICE", "the session runs on CPUExecutionProvider"),
    ],
)
def test_an_option_that_openvino_does_not_take(options: list[str], tmp_path: Path, given: str, reason: str):
    """An option that is refused stops the start, where onnxruntime would go on with the CPU."""
    line = refused([*options, "--provider-options", given], tmp_path)
    assert f"with provider_options {given}: " in line
    assert reason in line


def test_a_server_runs_bf16(rough: bundle.Bundle, options: list[str], clients: dict[str, Client], tmp_path: Path):
    """Named, the variant runs in bf16: scores are near fp32's and not equal; on the CPU provider it is refused."""
    changed = [*options[:-4], *reranker(rough.path, "bf16")]
    data = ["--data", str(tmp_path)]
    with (
        local.serving(*changed, *data, "--provider", "openvino") as address,
        Client(address, timeout_s=WAIT_S) as client,
    ):
        described = client.describe().reranker
        assert (described.variant, described.provider) == ("bf16", "OpenVINOExecutionProvider")
        difference = np.abs(np.subtract(by_index(client), by_index(clients["openvino"])))
        assert TOLERANCE < difference.max() < NEAR
        assert by_index(client) == alone(client)
    line = refused([*changed, "--provider", "cpu"], tmp_path)
    assert "cannot run in bf16: provider cpu does not compute in bf16" in line


def alone(client: Client) -> list[float]:
    """Return the scores of all documents, each asked for by itself."""
    return [client.rerank(QUERY, [document]).results[0].score for document in DOCUMENTS]


def by_index(client: Client) -> list[float]:
    """Return the scores of all documents, in the documents' order."""
    results = client.rerank(QUERY, DOCUMENTS).results
    return [result.score for result in sorted(results, key=lambda result: result.index)]
