"""What the commands ask of late interaction, and what they say of it, at a server that answers as it is told."""

import json

import grpc
import pytest

from fake_server import Refusal, told
from shortlist.cli import main
from shortlist.proto import retrieval_pb2 as pb

HITS = [
    pb.Hit(id="a", relevance=0.9, score=0.9, similarity=0.5, rank=3, maxsim=6.5, maxsim_rank=2, text="the text"),
    pb.Hit(id="b", similarity=0.6, rank=1, maxsim=7.25, maxsim_rank=1, text="another text"),
    pb.Hit(id="c", similarity=0.4, rank=2, text="one that was not scored"),
]


def searched(mode: pb.Mode.ValueType, **fields) -> pb.SearchResponse:
    """Return the answer to a search in which late interaction scored two of three candidates."""
    fields = {"candidates_from": pb.CANDIDATES_FROM_DENSE, "limited_by": pb.LIMITED_BY_NONE} | fields
    timing = pb.Timing(total_ms=9, embed_ms=1, retrieve_ms=2, maxsim_ms=1.5, rerank_ms=3)
    response = pb.SearchResponse(
        hits=HITS, mode=mode, candidates=3, maxsim_scored=2, query_vectors=8, degraded=pb.DEGRADED_NONE, timing=timing
    )
    response.filter_plan = pb.FILTER_PLAN_NONE
    response.MergeFrom(pb.SearchResponse(**fields))
    return response


@pytest.fixture
def shown(scripted, monkeypatch, capsys):
    """Run a command that has to succeed, and return the lines that it printed."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments, code=0):
        assert main.main([arguments[0], "--address", scripted.address, *arguments[1:]]) == code
        return capsys.readouterr().out.splitlines()

    return run


def test_a_cascade(scripted, shown):
    """The table has MaxSim and the place by it, and the line below says how many each stage read, and why no more."""
    scripted.answers["Search"].append(
        searched(pb.MODE_CASCADE, reranked=1, selected=1, limited_by=pb.LIMITED_BY_MARGIN)
    )
    arguments = ("--collection", "notes", "--mode", "cascade", "--rerank-candidates", "1", "query")
    heads, first, *_ = lines = shown("search", *arguments)
    (request,) = scripted.asked("Search")
    assert (request.mode, request.rerank_candidates) == (pb.MODE_CASCADE, 1)
    assert heads.split()[-4:] == ["maxsim", "by", "maxsim", "id"]
    assert first.split()[-3:] == ["6.5000", "2", "a"]
    assert (
        "cascade: 2 of 3 candidates scored by MaxSim, 1 of these reranked (the others are far behind by MaxSim;"
        " --rerank-candidates reads another number); 9.0 ms (embed 1.0, retrieve 2.0, maxsim 1.5, rerank 3.0)"
    ) in " ".join(lines)


def test_late_interaction_alone(scripted, shown):
    """What ordered the hits is told, since none has a score."""
    scripted.answers["Search"].append(searched(pb.MODE_LATE_INTERACTION))
    page = " ".join(shown("search", "--collection", "notes", "--mode", "late-interaction", "query"))
    assert "late-interaction: 2 of 3 candidates ordered by MaxSim; 9.0 ms" in page
    assert "in the order of MaxSim, of 8 token vectors of the query: the mode has no scores" in page


def test_a_search_without_it(scripted, shown):
    """Where late interaction did not run nothing is said of it."""
    answer = searched(pb.MODE_TWO_STAGE, reranked=2, selected=2)
    answer.maxsim_scored = 0
    scripted.answers["Search"].append(answer)
    page = " ".join(shown("search", "--collection", "notes", "query"))
    assert "two-stage: 2 of 3 candidates reranked; 9.0 ms (embed 1.0, retrieve 2.0, rerank 3.0)" in page
    assert "maxsim" not in page.lower()


def test_rerank(scripted, shown):
    """The late-interaction model scores texts where it is named, and MaxSim stands beside its mean."""
    limits = pb.Limits(max_text_bytes=1000, max_batch=100, max_request_bytes=1 << 20)
    scripted.defaults["Describe"] = pb.DescribeResponse(limits=limits)
    ranked = [pb.RerankResult(index=1, score=0.75, maxsim=6), pb.RerankResult(index=0, score=-0.25, maxsim=-2)]
    scripted.answers["Rerank"].append(pb.RerankResponse(results=ranked, reranked=2, degraded=pb.DEGRADED_NONE))
    heads, first, second = shown("rerank", "--model", "late-interaction", "query", "one", "two")
    assert scripted.asked("Rerank")[0].model == pb.MODEL_LATE_INTERACTION
    assert heads.split() == ["place", "score", "maxsim", "input", "text"]
    assert first.split() == ["1", "0.7500", "6.0000", "2", "two"]
    assert second.split() == ["2", "-0.2500", "-2.0000", "1", "one"]


def collection(**vectors) -> pb.Collection:
    """Return a collection of 10 documents with such token vectors."""
    message = told(pb.Collection())
    message.MergeFrom(pb.Collection(name="notes", documents=10, token_vectors=pb.TokenVectors(**vectors)))
    return message


MAKING = collection(pooling=pb.TOKEN_POOLING_BY_TWO, state=pb.TOKEN_VECTORS_STATE_MAKING, documents=3)
READY = collection(
    pooling=pb.TOKEN_POOLING_BY_TWO, state=pb.TOKEN_VECTORS_STATE_READY, documents=10, vectors=400, size_bytes=40_000
)
FAILED = collection(pooling=pb.TOKEN_POOLING_BY_TWO, state=pb.TOKEN_VECTORS_STATE_UNUSABLE, fault="the disk is full")


@pytest.mark.parametrize(
    ("ends", "code", "told_at_last"),
    [
        (READY, 0, "token vectors of notes: 400, 40,000 bytes, by-two"),
        (FAILED, 1, "token vectors of notes: unusable: the disk is full"),
    ],
)
def test_token_vectors_are_watched(scripted, shown, ends, code, told_at_last):
    """The command sets them, asks until they are no longer being made, and ends by whether searches use them."""
    scripted.answers["SetTokenVectors"].append(pb.SetTokenVectorsResponse(collection=MAKING))
    scripted.answers["ListCollections"].extend(
        pb.ListCollectionsResponse(collections=[one]) for one in (MAKING, ends)
    )
    assert shown("token-vectors", "notes", "by-two", code=code) == [told_at_last]
    (request,) = scripted.asked("SetTokenVectors")
    assert (request.collection, request.token_pooling) == ("notes", pb.TOKEN_POOLING_BY_TWO)
    assert len(scripted.asked("ListCollections")) == 2


def test_token_vectors_are_left_to_the_server(scripted, shown):
    """With --no-wait the collection is told as it is now."""
    scripted.answers["SetTokenVectors"].append(pb.SetTokenVectorsResponse(collection=MAKING))
    (line,) = shown("token-vectors", "notes", "by-two", "--no-wait", "--json")
    assert json.loads(line)["token_vectors"]["state"] == "making"
    assert not scripted.asked("ListCollections")


def test_a_collection_dropped_meanwhile(scripted, shown):
    """A collection that is gone while its token vectors were made ends the command."""
    scripted.answers["SetTokenVectors"].append(pb.SetTokenVectorsResponse(collection=MAKING))
    assert shown("token-vectors", "notes", "by-two", code=1) == []


def test_a_server_without_such_a_model(scripted, shown):
    """What the server refuses is one line, and creating hands the pooling on."""
    scripted.answers["CreateCollection"].append(Refusal(grpc.StatusCode.UNIMPLEMENTED, "no late-interaction model"))
    assert shown("collections", "create", "notes", "--token-pooling", "none", code=1) == []
    assert scripted.asked("CreateCollection")[0].token_pooling == pb.TOKEN_POOLING_NONE
