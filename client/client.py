"""`Client`: a server's calls as Python methods.

Any number of threads may share one client. It holds one channel, which gRPC connects when it is first used
and connects again when it breaks. What the calls send and return is in `requests.py` and `responses.py`,
shared with `AsyncClient`.
"""

from collections.abc import Iterable

from . import model_requests, requests, responses, signatures
from .blocking_collections import CollectionCalls
from .blocking_documents import DocumentCalls
from .filters import Where
from .types import (
    CandidatesFrom,
    Embeddings,
    Mode,
    Model,
    RankFusion,
    RerankModel,
    RerankResult,
    SearchResult,
    TextKind,
    Tokenization,
    Truncation,
)


@signatures.checked
class Client(CollectionCalls, DocumentCalls):
    """A connection to a Shortlist server: search, index, rerank.

        with Client("127.0.0.1:50051") as client:
            client.create_collection("notes", exist_ok=True)
            client.upsert("notes", [Document("1", "Paris is the capital of France.")])
            for hit in client.search("notes", "what is France's capital?").hits:
                print(hit.score, hit.text)

    Every call takes `timeout_s` and raises `DeadlineExceeded` when it is over; without it, the client's own
    counts. Calls that can be repeated safely are, while the server is away or its queue is full and within that
    time: all but those that make or drop collections and snapshots. gRPC makes five attempts at most, so a server
    that stays busy raises `Overloaded` after seconds, however long the deadline; wait then, and call again. Every
    error is a `ShortlistError` (`errors.py`).
    """

    def search(
        self,
        collection: str,
        query: str,
        top_k: int = 10,
        *,
        candidates: int | None = None,
        rerank_candidates: int | None = None,
        mode: Mode = "auto",
        include_text: bool = True,
        include_metadata: bool = True,
        include_vectors: bool = False,
        similarity_weight: float | None = None,
        margin: float | None = None,
        where: Where | None = None,
        candidates_from: CandidatesFrom | None = None,
        rank_fusion: RankFusion = "distribution",
        fresh: bool = False,
        timeout_s: float | None = None,
    ) -> SearchResult:
        """Find the documents that answer a query, best first.

        A deadline that comes near fails no search: what was not reranked by then follows the rest, see `degraded`.

        Args:
            collection: where to look.
            query: what to look for.
            top_k: hits to return.
            candidates: documents that stage one finds and the next stage reads. Left out, stage one finds 50, or
                `top_k` if that is more, and stage two reads those within `margin`, as far as the server's budget of
                time allows (`describe().limits.auto_budget_ms`); the result says how many, and why.
            rerank_candidates: how many candidates stage two reads in a `cascade`, the best by MaxSim. Left out, those
                near the best one, as far as the server's budget of time allows.
            mode: `two-stage`; `dense` for stage one alone; `rerank-all` to have every document of a small
                collection scored; `late-interaction` orders stage one's candidates by MaxSim over the collection's
                token vectors, and `cascade` has stage two read the best of these; `auto` is `cascade` where searches
                use token vectors (`Collection.token_vectors`), else `two-stage`, with every document of a small
                collection for a candidate.
            include_text: whether hits carry title and text.
            include_metadata: whether hits carry metadata.
            include_vectors: whether hits carry vectors.
            similarity_weight: weight of the similarity in the final order, 0 (score alone) to 100: logits that a
                similarity of 1 more is worth. The default is what the reranker's bundle says, for most 0.
            margin: how far the cosine of a candidate may be behind the best one's for stage two to read it, 0 to 2;
                `top_k` of them are read in any case, and those that words found with half of the best BM25. The
                default is the server's (`describe().limits.margin`) where no `candidates` are named, else 2, which is
                all.
            where: only documents whose metadata match, such as `{"year": {"gte": 2020}}`; `filters.py` has the forms.
            candidates_from: what stage one ranks by: `dense`, the similarity of vectors; `lexical`, words in common
                with the query, which finds names, codes and rare words; `hybrid`, both: half of the candidates each.
                The default is `hybrid`, and in mode `dense` its own.
            rank_fusion: how `hybrid` is ordered in mode `dense`, where no reranker does it: by the `distribution` of
                both rankings' scores, or by places (`rrf`).
            fresh: whether scores are computed that the server kept from the same query before: a search then takes
                the time that a new query would.
            timeout_s: deadline of this call.
        """
        request = requests.search(
            collection,
            query,
            top_k,
            candidates,
            rerank_candidates,
            mode,
            include_text,
            include_metadata,
            similarity_weight,
            margin,
            include_vectors,
            where,
            candidates_from,
            rank_fusion,
            fresh,
        )
        return responses.search(self._call(self._retrieval.Search, request, timeout_s))

    def embed(
        self,
        texts: Iterable[str],
        kind: TextKind = "document",
        *,
        truncation: Truncation | None = None,
        dimensions: int | None = None,
        normalize: bool = False,
        timeout_s: float | None = None,
    ) -> Embeddings:
        """Turn texts into vectors, with the embedder's prefix for `kind` before each.

        Args:
            texts: what to embed.
            kind: what they are to the embedder.
            truncation: what is left out of texts that do not fit; None: what the model's author leaves out.
            dimensions: elements of a vector to return, the first ones, made of length 1 again; None: all.
            normalize: True makes vectors of length 1 also where the model does not.
            timeout_s: deadline of this call.
        """
        request = model_requests.embed(texts, kind, truncation=truncation, dimensions=dimensions, normalize=normalize)
        return responses.embed(self._call(self._inference.Embed, request, timeout_s))

    def rerank(
        self,
        query: str,
        documents: Iterable[str],
        top_k: int | None = None,
        *,
        model: RerankModel = "reranker",
        truncation: Truncation | None = None,
        max_document_tokens: int | None = None,
        timeout_s: float | None = None,
    ) -> RerankResult:
        """Score texts against a query, best first, and return the best `top_k` or all.

        A deadline that comes near does not fail the call: what was not scored then follows the rest.

        Args:
            query: what is looked for.
            documents: the texts.
            top_k: how many to return; None: all.
            model: the `reranker`, or the `late-interaction` model, whose scores are mean cosines.
            truncation: what is left out of pairs that do not fit; None: what the model's author leaves out.
            max_document_tokens: tokens of each text that are read at most; None: all that fit.
            timeout_s: deadline of this call.
        """
        request = model_requests.rerank(
            query, documents, top_k, truncation=truncation, max_document_tokens=max_document_tokens, model=model
        )
        return responses.rerank(request, self._call(self._inference.Rerank, request, timeout_s))

    def tokenize(
        self,
        texts: Iterable[str],
        model: Model = "embedder",
        *,
        query: str = "",
        kind: TextKind = "document",
        ends_only: bool = False,
        timeout_s: float | None = None,
    ) -> tuple[Tokenization, ...]:
        """Show how a model sees texts, and whether they fit its window.

        Args:
            texts: what to tokenize.
            model: which one.
            query: reranker only: what each text is paired with; empty tokenizes the texts alone.
            kind: which prefix or marker goes before each text; of no use to the reranker.
            ends_only: True returns only where each token ends in the whole text, which `shortlist index` cuts by.
            timeout_s: deadline of this call.
        """
        request = model_requests.tokenize(texts, model=model, query=query, kind=kind, ends_only=ends_only)
        return responses.tokenize(self._call(self._inference.Tokenize, request, timeout_s))
