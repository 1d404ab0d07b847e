"""Search over gRPC on a real server: modes, order, what hits carry, what the response tells."""

import pytest

from shortlist.client import Client, Document, InvalidRequest, SearchResult

DOCUMENTS = [
    Document("fox", "the quick brown fox jumps over the lazy dog", "animals", {"legs": 4, "tags": ["a", None]}),
    Document("tea", "boil the water and pour it over the leaves"),
    Document("sea", "the tide follows the moon twice a day", "water"),
    Document("law", "a contract binds the parties that signed it"),
    Document("war", "the treaty ended the war after thirty years"),
]


@pytest.fixture
def collection(client: Client, name: str) -> str:
    """Make a collection with the five documents."""
    client.create_collection(name)
    client.upsert(name, DOCUMENTS)
    return name


def test_two_stages(client: Client, collection: str):
    """Hits come by score, each with its score, its similarity and its place in the order of similarity."""
    result = client.search(collection, "a quick animal", mode="two-stage", top_k=5, candidates_from="dense")
    scores = [hit.score for hit in result.hits]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score < 1 for score in scores)
    by_rank = sorted(result.hits, key=lambda hit: hit.rank)
    assert [hit.rank for hit in by_rank] == [1, 2, 3, 4, 5]
    similarities = [hit.similarity for hit in by_rank]
    assert similarities == sorted(similarities, reverse=True)
    assert (result.mode, result.reranked, result.candidates, result.degraded) == ("two-stage", 5, 5, None)


def test_the_score_is_the_reranker_s_own(client: Client, collection: str):
    """A hit's score is what Rerank gives the same text, to the last bit; the title is part of the text."""
    hits = client.search(collection, "water", mode="two-stage").hits
    contents = [f"{hit.title} {hit.text}" if hit.title else hit.text for hit in hits]
    ranked = client.rerank("water", contents).results
    assert [hit.score for hit in hits] == [entry.score for entry in ranked]


def test_the_similarity_is_the_embedder_s_own(client: Client, collection: str):
    """A hit's similarity is the cosine of the vectors that Embed gives, to the index's precision."""
    (hit, *_) = client.search(collection, "water", mode="dense").hits
    (query,) = client.embed(["water"], kind="query").vectors
    (vector,) = client.embed([f"{hit.title} {hit.text}" if hit.title else hit.text]).vectors
    lengths = (sum(x * x for x in query) * sum(x * x for x in vector)) ** 0.5
    assert hit.similarity == pytest.approx(sum(map(float.__mul__, query, vector)) / lengths, abs=2e-3)


def test_similarity_weight(client: Client, collection: str):
    """The similarity's weight goes from the reranker's order to stage one's; hits fall by relevance, scores stay."""
    asked = {"mode": "two-stage", "top_k": 5, "candidates_from": "dense"}
    plain = client.search(collection, "a quick animal", **asked).hits
    assert client.search(collection, "a quick animal", similarity_weight=0.0, **asked).hits == plain
    similar = client.search(collection, "a quick animal", similarity_weight=100.0, **asked).hits
    assert [hit.rank for hit in similar] == [1, 2, 3, 4, 5]
    assert {hit.id: hit.score for hit in similar} == {hit.id: hit.score for hit in plain}
    assert [hit.relevance for hit in plain] == [hit.score for hit in plain]
    relevances = [hit.relevance for hit in similar]
    assert relevances == sorted(relevances, reverse=True)
    assert relevances != [hit.score for hit in similar]
    answered = [
        client.search(collection, "a quick animal", similarity_weight=weight, **asked).similarity_weight
        for weight in (None, 0.0, 1.0)
    ]
    assert answered == [0.0, 0.0, 1.0]
    assert client.search(collection, "a quick animal", similarity_weight=1.0, mode="dense").similarity_weight == 0.0
    with pytest.raises(InvalidRequest, match=r"similarity_weight: got 100.5, but a weight is from 0 to 100"):
        client.search(collection, "a quick animal", similarity_weight=100.5)


def test_dense_only(client: Client, collection: str):
    """Mode dense returns stage one's order without scores, and reranks nothing."""
    result = client.search(collection, "a quick animal", mode="dense", top_k=3)
    assert [hit.rank for hit in result.hits] == [1, 2, 3]
    assert [hit.score for hit in result.hits] == [None, None, None]
    assert (result.mode, result.reranked, result.degraded) == ("dense", 0, None)


def test_candidates_bound_the_second_stage(client: Client, collection: str):
    """Stage two sees the candidates that were asked for, and no more."""
    result = client.search(collection, "a quick animal", mode="two-stage", top_k=2, candidates=3)
    assert (result.reranked, result.candidates, len(result.hits)) == (3, 3, 2)
    assert {hit.rank for hit in result.hits} <= {1, 2, 3}


def test_rerank_all(client: Client, collection: str):
    """Mode rerank-all scores every document, whatever candidates says."""
    result = client.search(collection, "a quick animal", mode="rerank-all", top_k=1)
    assert (result.mode, result.reranked, len(result.hits)) == ("rerank-all", 5, 1)


def test_auto_reranks_a_small_collection_whole(client: Client, collection: str):
    """Mode auto scores every document where there are few and there is time."""
    result = client.search(collection, "a quick animal", timeout_s=60)
    assert (result.mode, result.reranked, result.selected, result.limited_by) == ("rerank-all", 5, 5, None)


def test_what_lies_far_behind_is_not_read(client: Client, collection: str):
    """Candidates outside the margin, beyond the first top_k, have no score and follow in stage one's order."""
    asked = {"mode": "two-stage", "top_k": 2, "margin": 0.0, "candidates_from": "dense"}
    result = client.search(collection, "a quick animal", **asked)
    assert (result.reranked, result.selected, result.candidates, result.limited_by) == (2, 2, 5, "margin")
    assert result.degraded is None
    every = client.search(collection, "a quick animal", **asked | {"candidates": 5})
    assert (every.selected, every.limited_by) == (1, "margin")
    assert [hit.score is None for hit in every.hits] == [False, True]
    assert every.hits[0].rank == 1


def test_candidates_that_are_named_are_all_read(client: Client, collection: str):
    """A caller who names a number of candidates has as many scored, in mode auto too, near or not."""
    result = client.search(collection, "a quick animal", top_k=3, candidates=4)
    assert (result.mode, result.reranked, result.candidates, result.limited_by) == ("two-stage", 4, 4, None)


def test_auto_shortlists_a_large_collection(client: Client, name: str):
    """Mode auto runs two stages above 500 documents, with 50 candidates."""
    client.create_collection(name)
    client.upsert(name, [Document(str(number), f"document number {number}") for number in range(501)])
    result = client.search(name, "number 77", top_k=3, timeout_s=60)
    assert (result.mode, result.candidates, result.reranked) == ("two-stage", 50, result.selected)
    whole = client.search(name, "number 77", top_k=3, timeout_s=60, margin=2.0)
    assert (whole.candidates, whole.reranked, whole.limited_by) == (50, 50, None)


def test_rerank_all_of_too_many(client: Client, name: str):
    """Mode rerank-all is refused above the limit, with the count, the limit and the remedy."""
    client.create_collection(name)
    for start in (0, 1000):
        client.upsert(name, [Document(str(start + number), f"document {number}") for number in range(1000)])
    with pytest.raises(InvalidRequest, match="holds 2000 documents and the limit is 1000; use MODE_TWO_STAGE"):
        client.search(name, "anything", mode="rerank-all")


def test_text_and_metadata_if_asked(client: Client, collection: str):
    """Hits carry title, text and metadata as they were given, or nothing of them."""
    full = client.search(collection, "a quick animal", include_text=True, include_metadata=True)
    fox = next(hit for hit in full.hits if hit.id == "fox")
    assert (fox.title, fox.text, fox.metadata) == (DOCUMENTS[0].title, DOCUMENTS[0].text, DOCUMENTS[0].metadata)
    bare = client.search(collection, "a quick animal", include_text=False, include_metadata=False)
    assert {(hit.title, hit.text, len(hit.metadata)) for hit in bare.hits} == {("", "", 0)}


def test_an_empty_collection(client: Client, name: str):
    """A search of an empty collection finds nothing, in every mode."""
    client.create_collection(name)
    for mode in ("auto", "two-stage", "dense", "rerank-all"):
        result = client.search(name, "anything", mode=mode)
        assert (result.hits, result.reranked, result.degraded) == ((), 0, None)


def test_timing_adds_up(client: Client, collection: str):
    """The stages' times are told, and are no more than the whole."""
    timing = client.search(collection, "a quick animal", mode="two-stage").timing
    assert min(timing.embed_ms, timing.retrieve_ms, timing.rerank_ms) > 0
    assert timing.embed_ms + timing.retrieve_ms + timing.rerank_ms <= timing.total_ms


def test_truncation_is_counted(client: Client, name: str):
    """Texts beyond a model's window are kept whole and counted: at upsert, in a search, in a rerank."""
    client.create_collection(name)
    long = "word " * 2000
    done = client.upsert(name, [Document("long", long), Document("short", "a few words")])
    assert done.truncated == 1
    result = client.search(name, "words", mode="two-stage")
    assert result.truncated == 1  # the pair with the long document
    assert next(hit.text for hit in result.hits if hit.id == "long") == long
    assert client.search(name, long, mode="dense").truncated == 1  # the query itself
    assert client.rerank("words", [long, "short"]).truncated == 1


def test_what_changes_is_found_at_once(client: Client, collection: str):
    """After an upsert or a delete is acknowledged, searches see it."""
    done = client.upsert(collection, [Document("tea", "coffee needs hotter water"), DOCUMENTS[0]])
    assert (done.inserted, done.updated, done.unchanged) == (0, 1, 1)
    hits = {hit.id: hit.text for hit in client.search(collection, "coffee").hits}
    assert hits["tea"] == "coffee needs hotter water"
    assert client.delete(collection, ["tea", "missing"]) == 1
    assert "tea" not in {hit.id for hit in client.search(collection, "coffee").hits}


def test_list_goes_through_all(client: Client, collection: str):
    """Listing page by page returns every document once, whole."""
    assert list(client.list(collection, page_size=2)) == DOCUMENTS


def by_words(client: Client, collection: str, text: str) -> SearchResult:
    """Search by words alone."""
    return client.search(collection, text, mode="dense", candidates_from="lexical")


def test_what_is_written_as_asked_for_is_found(client: Client, collection: str):
    """A code is found by its words alone, and is among few candidates of both rankings, with its place in each."""
    client.upsert(collection, [Document("code", "error E11000: duplicate key")])
    found = by_words(client, collection, "E11000")
    assert [(hit.id, hit.rank, hit.lexical_rank, hit.dense_rank) for hit in found.hits] == [("code", 1, 1, None)]
    assert found.candidates_from == "lexical"
    for asked in ({"mode": "two-stage", "candidates": 3}, {"mode": "dense"}, {"mode": "dense", "rank_fusion": "rrf"}):
        both = client.search(collection, "E11000", top_k=3, candidates_from="hybrid", **asked)
        assert both.candidates_from == "hybrid"
        assert "code" in {hit.id for hit in both.hits if hit.lexical_rank == 1}
    assert client.delete(collection, ["code"]) == 1
    assert by_words(client, collection, "E11000").hits == ()


NAMED = {
    "os.scandir": "os.scandir(path) returns an iterator of entries",
    "E11000": "E11000 duplicate key error collection",
    "--force-with-lease": "git push --force-with-lease refuses to lose work of others",
    "0x80070005": "the update failed with 0x80070005, access is denied",
    "readHTTPBody": "call readHTTPBody once the headers are parsed",
    "ECONNRESET": "the peer closed the connection: ECONNRESET",
    "libstdc++.so.6": "version GLIBCXX_3.4.30 is not found in libstdc++.so.6",
    "Kubernetes": "Kubernetes restarts a container whose probe fails",
}


def test_exact_names_and_rare_words(client: Client, name: str):
    """Names, codes and rare words find the one document that has them, among 200 that have the words around them."""
    client.create_collection(name)
    near = [text.replace(rare, "it").split() for rare, text in NAMED.items()]
    others = [Document(f"{place}", " ".join(near[place % 8][place % 3 :] + near[place % 7])) for place in range(200)]
    client.upsert(name, others + [Document(rare, text) for rare, text in NAMED.items()])
    for rare in NAMED:
        assert by_words(client, name, rare).hits[0].id == rare
        for question in (rare, f"what does {rare} mean and what is to be done about it?"):
            found = client.search(name, question, candidates_from="hybrid", mode="dense")
            assert rare in {hit.id for hit in found.hits}


def test_a_collection_has_a_language(client: Client, name: str):
    """Words are compared by the language that a collection was made with, which is listed."""
    assert client.create_collection(name, language="german").language == "german"
    assert {one.name: one.language for one in client.list_collections()}[name] == "german"
    client.upsert(name, [Document("a", "viele H\u00e4user am See"), Document("b", "ein Boot")])
    assert [hit.id for hit in by_words(client, name, "das Haus").hits] == ["a"]


def test_words_of_scripts_without_spaces(client: Client, name: str):
    """Chinese, Japanese, Korean and Thai words are found within a sentence, in a collection of any language."""
    client.create_collection(name, language="none")
    texts = {  # "... is the capital"
        "chinese": "\u5317\u4eac\u662f\u4e2d\u534e\u4eba\u6c11\u5171\u548c\u56fd\u7684\u9996\u90fd",
        "japanese": "\u6771\u4eac\u90fd\u306f\u65e5\u672c\u306e\u9996\u90fd\u3067\u3059",
        "korean": "\uc11c\uc6b8\uc740 \ub300\ud55c\ubbfc\uad6d\uc758 \uc218\ub3c4\uc774\ub2e4",
        "thai": "\u0e01\u0e23\u0e38\u0e07\u0e40\u0e17\u0e1e\u0e40"
        "\u0e1b\u0e47\u0e19\u0e40\u0e21\u0e37\u0e2d\u0e07\u0e2b\u0e25\u0e27\u0e07",
    }
    client.upsert(name, [Document(one, text) for one, text in texts.items()])
    asked = {
        "\u5317\u4eac": "chinese",
        "\u4eba\u6c11\u5171\u548c\u56fd": "chinese",
        "\u6771\u4eac": "japanese",
        "\u65e5\u672c\u306e\u9996\u90fd": "japanese",
        "\uc218\ub3c4": "korean",
        "\ub300\ud55c\ubbfc\uad6d": "korean",
        "\u0e40\u0e21\u0e37\u0e2d\u0e07": "thai",
    }
    assert {text: by_words(client, name, text).hits[0].id for text in asked} == asked
