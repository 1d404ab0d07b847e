"""The comparison with peers on tiny models: folders that peers read, arrangements of the loop, the command itself."""

import dataclasses
import json
import subprocess
from dataclasses import MISSING
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from shortlist.bench.studies.peers import __main__ as command
from shortlist.bench.studies.peers import layout
from shortlist.bench.studies.peers.offline import ARRANGEMENTS, Loop
from shortlist.bench.studies.peers.peer import PeersError
from shortlist.bench.studies.peers.settings import PeersSettings
from shortlist.bench.studies.peers.turns import Turn
from shortlist.server.runtime import bundle
from shortlist.server.runtime.tokens import Tokenizer, pad

# A copy of the same nodes in the same order: equal but for what onnxruntime's threads add up in another order.
SAME = {"rtol": 0, "atol": 1e-6}
TEXTS = ["a river", "the longest river of them all is where the hills end", "hills", "no river and no hill"]


@pytest.fixture
def items(tiny):
    """Return pairs of several lengths."""
    return Tokenizer(bundle.load(tiny.reranker)).encode_pairs("where is the river", TEXTS)


def outputs(path, found) -> np.ndarray:
    """Run a graph on texts, padded."""
    session = ort.InferenceSession(str(path))
    feeds = pad(found, 0)
    return session.run(None, {entry.name: feeds[entry.name] for entry in session.get_inputs()})[0]


@pytest.mark.parametrize("variant", ["fp32", "int8-token"])
def test_a_reranker_is_laid_out(tiny, tiny_folders, items, tmp_path, variant):
    """The graph gives the bundle's own logits as [batch, 1] under the name that peers know."""
    found = bundle.load(tiny.reranker)
    folder = layout.write(found, variant, str(tiny_folders.reranker), tmp_path / "model")
    graph = onnx.load(folder / layout.GRAPH).graph
    assert [one.name for one in graph.output] == ["logits"]
    wanted = outputs(found.graph(variant), items)
    np.testing.assert_allclose(outputs(folder / layout.GRAPH, items), wanted[:, None], **SAME)
    assert (folder / "tokenizer.json").read_bytes() == found.tokenizer.read_bytes()


@pytest.mark.parametrize("variant", ["fp32", "int8-token"])
def test_an_embedder_is_laid_out(tiny, tiny_folders, tmp_path, variant):
    """Pooled and normalized outside, the graph's hidden states are the bundle's own vectors; the pooling is gone."""
    found = bundle.load(tiny.embedder)
    folder = layout.write(found, variant, str(tiny_folders.embedder), tmp_path / "model")
    texts = Tokenizer(found).encode(TEXTS)
    hidden, mask = outputs(folder / layout.GRAPH, texts), pad(texts, 0)["attention_mask"][..., None]
    pooled = (hidden * mask).sum(axis=1) / mask.sum(axis=1)
    if found.manifest.normalized:
        pooled /= np.linalg.norm(pooled, axis=1, keepdims=True)
    np.testing.assert_allclose(pooled, outputs(found.graph(variant), texts), **SAME)
    nodes = {node.op_type for node in onnx.load(folder / layout.GRAPH).graph.node}
    assert "ReduceSum" not in nodes
    assert (folder / "modules.json").is_file()


def test_both_are_what_sentence_transformers_reads(tiny, tiny_folders, tmp_path):
    """sentence-transformers gives the bundle's fp32 scores and vectors from the folders, with both backends."""
    from sentence_transformers import CrossEncoder, SentenceTransformer  # noqa: PLC0415 (seconds to import)

    reranker = layout.write(bundle.load(tiny.reranker), "fp32", str(tiny_folders.reranker), tmp_path / "r")
    embedder = layout.write(bundle.load(tiny.embedder), "fp32", str(tiny_folders.embedder), tmp_path / "e")
    for backend in ("torch", "onnx"):
        options = {"backend": backend, "device": "cpu"}
        if backend == "onnx":
            options["model_kwargs"] = {"provider": "CPUExecutionProvider", "file_name": "model.onnx"}
        query = "where is the river"
        scores = CrossEncoder(str(reranker), **options).predict([(query, text) for text in TEXTS])
        found = bundle.load(tiny.reranker)
        logits = outputs(found.graph("fp32"), Tokenizer(found).encode_pairs(query, TEXTS))
        np.testing.assert_allclose(scores, 1 / (1 + np.exp(-logits)), atol=1e-4)
        found = bundle.load(tiny.embedder)
        vectors = SentenceTransformer(str(embedder), **options).encode(TEXTS)
        np.testing.assert_allclose(vectors, outputs(found.graph("fp32"), Tokenizer(found).encode(TEXTS)), atol=1e-4)


def test_other_weights_are_refused(tiny, make, tmp_path):
    """A model that is not the bundle's is named, with both hashes."""
    other = make.encoder(tmp_path / "other", labels=["relevant"], seed=5)
    with pytest.raises(PeersError, match="has other weights"):
        layout.write(bundle.load(tiny.reranker), "fp32", str(other), tmp_path / "model")


def test_a_graph_without_normalization_is_refused():
    """Where hidden states cannot be found, that is said."""
    with pytest.raises(PeersError, match="none of LayerNormalization"):
        layout.with_hidden_states(onnx.ModelProto())


@pytest.mark.parametrize("arrangement", ARRANGEMENTS, ids=lambda one: one.name)
def test_arrangements_compute_the_same(tiny, items, arrangement):
    """However pairs share runs, each gets its own logit, in its own place."""
    found = bundle.load(tiny.reranker)
    many = [*items, *items[::-1], *items, items[2], *items * 8]
    loop = Loop(found.graph("fp32"), dataclasses.replace(arrangement, batch=min(arrangement.batch, 5)), 2, 0)
    runs = loop.prepare(many)
    assert sorted(place for one in runs for place in one.places) == list(range(len(many)))
    wanted = [float(outputs(found.graph("fp32"), [item])[0]) for item in items]
    np.testing.assert_allclose(loop.run(runs)[: len(items)], wanted, atol=1e-5)
    np.testing.assert_allclose(loop.run(runs)[len(items) : 2 * len(items)], wanted[::-1], atol=1e-5)
    loop.close()


def test_lone_runs_are_unpadded(tiny, items):
    """The arrangement without padding has none; that by length has no more of it than that by arrival."""
    loops = [Loop(bundle.load(tiny.reranker).graph("fp32"), one, 1, 0) for one in ARRANGEMENTS]
    many = items * 20
    tokens = [sum(run.feeds["input_ids"].size for run in loop.prepare(many)) for loop in loops]
    assert tokens[3] == sum(map(len, many)) <= tokens[2] <= tokens[1] < tokens[0]


def test_a_loop_is_timed(tiny, items):
    """A turn holds whole groups, one latency each."""
    loop = Loop(bundle.load(tiny.reranker).graph("fp32"), ARRANGEMENTS[3], 1, 0)
    turn = loop.measure(iter([items] * 1_000_000), 0.01)
    assert isinstance(turn, Turn)
    assert turn.items == len(items) * len(turn.latencies_s) > 0
    assert turn.elapsed_s == pytest.approx(sum(turn.latencies_s))


@pytest.fixture
def files(tmp_path):
    """Write candidates and a collection of a few texts."""
    hits = [{"content": f"passage number {number} about rivers and hills"} for number in range(6)]
    (tmp_path / "lists.json").write_text(json.dumps([{"query": f"query {n}", "hits": hits} for n in range(3)]))
    texts = [json.dumps({"_id": f"d{n}", "text": f"text {n} of hills"}) for n in range(8)]
    (tmp_path / "corpus.jsonl").write_text("\n".join(texts))
    (tmp_path / "queries.jsonl").write_text(
        "\n".join(json.dumps({"_id": f"q{n}", "text": f"q {n}"}) for n in range(8))
    )
    (tmp_path / "qrels.tsv").write_text(
        "query-id\tcorpus-id\tscore\n" + "".join(f"q{n}\td{n}\t1\n" for n in range(8))
    )
    return tmp_path


def given(tiny, tiny_folders, files, *more: str) -> list[str]:
    """Return the command line for tiny models."""
    return [
        *("peers", "--embedder", str(tiny.embedder), "--reranker", str(tiny.reranker)),
        *("--embedder-model", str(tiny_folders.embedder), "--reranker-model", str(tiny_folders.reranker)),
        *("--candidates", str(files / "lists.json"), "--collection", str(files)),
        *("--passages", "3", "--documents", "4", "--rounds", "1", "--seconds", "0.05", *more),
    ]


def test_the_command_compares(tiny, tiny_folders, files, monkeypatch, capsys):
    """Shortlist, sentence-transformers with ONNX and the bare loop take every load; infinity is left out by name."""
    only = ("--only", "onnx,infinity,offline", "--infinity", str(files / "nowhere"), "--variant", "fp32")
    monkeypatch.setattr("sys.argv", given(tiny, tiny_folders, files, *only))
    assert command.main() == 0
    told = capsys.readouterr()
    found = json.loads(told.out)
    assert f"left out: infinity: {files / 'nowhere'} is not there" in told.err
    assert list(found["left_out"]) == ["infinity"]
    rows = {(row["kind"], row["clients"], row["name"]) for row in found["rows"]}
    peers = {"Shortlist", "sentence-transformers, ONNX"}
    for kind, clients in (("rerank", 1), ("rerank", 8), ("embed", 1), ("embed", 8), ("search", 1)):
        assert peers <= {name for a, b, name in rows if (a, b) == (kind, clients)}
    assert len(rows) == 5 * 2 + 4 * 2 + 1 * 2 + 2
    assert found["agreements"]["sentence-transformers, ONNX"]["tau"] == 1
    assert len(found["targets"]) == 4


def test_the_command_names_what_is_wrong(tiny, tiny_folders, files, monkeypatch, capsys):
    """A variant that the bundle lacks ends the command with one line and exit code 2."""
    monkeypatch.setattr("sys.argv", given(tiny, tiny_folders, files, "--variant", "int3", "--only", "offline"))
    assert command.main() == 2
    assert "has no variant 'int3'" in capsys.readouterr().err


def test_make_gives_what_must_be_given():
    """`make peers` runs the command with every setting that has no default."""
    root = Path(__file__).parents[4]
    shown = subprocess.run(
        ["make", "--dry-run", "peers"], cwd=root, capture_output=True, text=True, check=True
    ).stdout
    (line,) = [line for line in shown.replace("\\\n", " ").splitlines() if "-m shortlist.bench.studies.peers" in line]
    required = {
        f"--{one.name.replace('_', '-')}" for one in dataclasses.fields(PeersSettings) if one.default is MISSING
    }
    assert required <= set(line.split())
