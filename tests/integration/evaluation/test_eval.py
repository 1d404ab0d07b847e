"""`shortlist eval` on real servers: its figures, its files, and what it leaves behind."""

import json

import pytest
import pytrec_eval

import judged_folders
from shortlist.bench import beir
from shortlist.cli.main import main
from shortlist.client import Client, Document
from shortlist.texts import shipped

ENTRIES = shipped.entries()[:30]
COUNTS = (3, 10, 25)
SOURCES = ("dense", "lexical", "hybrid")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Write a folder of 30 shipped passages, one without a text, and the six queries of the first of them."""
    texts = {f"d{number}": entry.text for number, entry in enumerate(ENTRIES)} | {"empty": " "}
    queries = {f"q{number}": entry.query for number, entry in enumerate(ENTRIES[:6])}
    judgements = [(f"q{number}", f"d{number}", 2) for number in range(6)] + [("q0", "empty", 1)]
    return judged_folders.write(tmp_path_factory.mktemp("judged"), texts, queries, judgements, "qrels/test.tsv")


@pytest.fixture
def evaluate(capfd):
    """Run the command, and return its exit code, what it showed, and its JSON."""

    def run(folder, *arguments):
        counts = ",".join(map(str, COUNTS))
        capfd.readouterr()  # what a test printed before
        code = main(("eval", str(folder), "--candidates", counts, "--timed-queries", "1", "--json", *arguments))
        printed = capfd.readouterr()
        return code, printed.err, json.loads(printed.out) if printed.out else None

    return run


def names(address):
    """Return the names of a server's collections."""
    with Client(address) as client:
        return {one.name for one in client.list_collections()}


def test_a_server_that_runs(evaluate, folder, server, tmp_path):
    """All runs are there, their figures are those of the run files by trec_eval, and no collection stays."""
    before, out = names(server.address), tmp_path / "runs"
    code, shown, found = evaluate(folder, "--address", server.address, "--run-out", str(out), "--rerank-queries", "4")
    assert code == 0
    assert "its recall is the ceiling of what stage two can find" in shown
    assert "note: 1 document without a text left out" in shown
    assert (found["documents"], found["without_text"], found["queries"]) == (30, 1, 6)
    assert [(one["name"], one["candidates"], one["queries"]) for one in found["runs"]] == [
        one
        for source in SOURCES
        for one in ((source, None, 6), *((f"{source}-reranked-{count}", count, 4) for count in COUNTS))
    ]
    assert {one["run"] for one in found["over_first"]} == {
        one["name"] for one in found["runs"] if one["source"] != "dense"
    }
    assert "over dense, with as many candidates" in shown
    qrels = pytrec_eval.RelevanceEvaluator(beir.load(folder).relevant, {"ndcg_cut.10", "recall.50"})
    for one in found["runs"]:
        with (out / f"{one['name']}.run").open() as stream:
            by_trec_eval = qrels.evaluate(pytrec_eval.parse_run(stream))
        expected = {query: pytest.approx(values["ndcg_cut_10"], abs=1e-6) for query, values in by_trec_eval.items()}
        assert one["per_query"]["nDCG@10"] == expected
        assert one["ms"] > 0
    assert found["runs"][0]["measures"]["recall@50"] == pytest.approx(5.5 / 6)  # q0 wants the document without a text
    assert names(server.address) == before


def test_fewer_candidates_are_a_search_of_as_many(evaluate, folder, client, name, tmp_path):
    """The order of the first 3 and 10 of 25 candidates is that of searches of 3 and 10, also with a margin."""
    client.create_collection(name)
    client.upsert(name, [Document(f"d{number}", entry.text) for number, entry in enumerate(ENTRIES)])
    for margin, source in ((2.0, "dense"), (0.001, "dense"), (2.0, "lexical"), (2.0, "hybrid")):
        out = tmp_path / f"{source}{margin}"
        given = (
            "--address",
            client.address,
            "--collection",
            name,
            "--margin",
            str(margin),
            "--candidates-from",
            source,
        )
        code, _, found = evaluate(folder, *given, "--run-out", str(out))
        assert code == 0
        assert (found["runs"][-1]["read"] == 25) == (margin == 2.0 and source != "lexical")
        for count in COUNTS:
            with (out / f"{source}-reranked-{count}.run").open() as stream:
                run = pytrec_eval.parse_run(stream)
            for query, text in beir.load(folder).queries.items():
                asked = {"mode": "two-stage", "margin": margin, "candidates_from": source}
                hits = client.search(name, text, count, candidates=count, **asked).hits
                assert sorted(run[query], key=lambda one: -run[query][one]) == [hit.id for hit in hits]


def test_against_a_baseline(evaluate, folder, server, tmp_path):
    """A run compared with itself does not differ, one with another weight of the similarity does somewhere."""
    given = ("--address", server.address, "--candidates-from", "dense")
    _, shown, found = evaluate(folder, *given)
    saved = tmp_path / "run.json"
    saved.write_text(json.dumps(found))
    _, shown, same = evaluate(folder, *given, "--baseline", str(saved))
    assert "over the baseline" in shown
    assert len(same["over_baseline"]) == 2 + len(COUNTS)
    assert all(one["p"] == 1.0 and one["difference"] == 0 for one in same["over_baseline"])
    weighted = ("--baseline", str(saved), "--similarity-weight", "100")
    _, _, other = evaluate(folder, *given, *weighted)
    assert other["similarity_weight"] == 100
    assert any(one["difference"] for one in other["over_baseline"] if one["run"] != "dense")


def test_a_server_of_its_own(tiny, folder, capfd, tmp_path):
    """With two bundles a server is started; without --json the tables are on standard output; the plot is an SVG."""
    bundles = ("--embedder", str(tiny.embedder), "--reranker", str(tiny.reranker))
    plot = tmp_path / "plot.svg"
    given = ("--candidates", "5", "--timed-queries", "1", "--serve-options", "embedder_variant=fp32")
    assert main(("eval", str(folder), *bundles, *given, "--plot", str(plot))) == 0
    printed = capfd.readouterr()
    assert "both stages, 6 queries" in printed.out
    assert "over the baseline" not in printed.out
    assert "<svg" in plot.read_text()


def test_queries_that_are_documents(evaluate, server, tmp_path):
    """A query that is a document too is no answer to itself, and is left out of its ranking."""
    texts = {f"d{number}": entry.text for number, entry in enumerate(ENTRIES)}
    queries = {"d0": texts["d0"], "d1": texts["d1"]}
    judged_folders.write(tmp_path, texts, queries, [("d0", "d1", 1), ("d1", "d0", 1)])
    out = tmp_path / "runs"
    _, shown, found = evaluate(tmp_path, "--address", server.address, "--run-out", str(out))
    assert found["itself"] == 2
    assert "2 queries are documents too" in shown
    with (out / "dense.run").open() as stream:
        run = pytrec_eval.parse_run(stream)
    assert all(query not in ranking for query, ranking in run.items())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--collection", "not-there"), "collection 'not-there' is not on the server; leave it out"),
        (("--candidates", "5000"), "5,000 candidates, but the server returns 1,000 at most: serve with a larger"),
    ],
)
def test_what_the_server_has_not(evaluate, folder, server, arguments, told):
    """What cannot be measured on this server ends the command with one line, before anything is indexed."""
    code, shown, found = evaluate(folder, "--address", server.address, *arguments)
    assert (code, found) == (2, None)
    assert told in shown.splitlines()[-1]
    assert "indexed" not in shown


def test_a_collection_of_something_else(evaluate, folder, client, server, name):
    """A collection without any of the judged documents is told as such: zeros would look like a bad model."""
    client.create_collection(name)
    client.upsert(name, [Document(f"x{number}", entry.text) for number, entry in enumerate(ENTRIES)])
    code, shown, _ = evaluate(folder, "--address", server.address, "--collection", name)
    assert code == 2
    assert "no search found anything relevant" in shown
