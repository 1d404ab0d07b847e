"""The late-interaction model: texts to the vectors of their tokens, and documents to MaxSim with a query.

It remembers queries' vectors. Documents' are kept by collections, or, of texts that are in none, not at all. Knows
texts, deadlines and lanes; knows neither collections nor gRPC.
"""

from collections.abc import Hashable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from shortlist.server.runtime.bundle import Bundle
from shortlist.server.runtime.graph import Graph
from shortlist.server.runtime.late_interaction import TokenReader
from shortlist.server.runtime.manifest import TextKind
from shortlist.server.runtime.tokens import Tokens, Truncation

from .coalescing import Coalescer
from .lanes import Job, Lane, Model
from .loaded_model import LoadedModel
from .result import Result, Spent, check_whole
from .token_model import MaxsimModel, TokenModel

Floats = NDArray[np.float32]

_WARM_UP_TEXT = "0 1 2"


@dataclass(frozen=True, slots=True)
class TokenResult:
    """The token vectors of some texts."""

    vectors: list[Floats]  # float32 [vectors, dimensions] of each text; no vector of one that is not done
    done: NDArray[np.bool_]  # bool [texts]
    tokens: NDArray[np.int32]  # int32 [texts]: in the window, marker and expansion included
    truncated: NDArray[np.bool_]  # bool [texts]: longer than the window
    failed: int = 0  # texts that the model could not run
    spent: Spent = field(default_factory=Spent)

    @classmethod
    def of(cls, made: Result) -> "TokenResult":
        """Return what came of a job whose values are token vectors."""
        return cls(list(made.values), made.done, made.tokens, made.truncated, made.failed, made.spent)


class TokenEmbedder(LoadedModel[TokenResult]):
    """The late-interaction model: texts to token vectors, those of a query beside those of documents to MaxSim."""

    def __init__(self, bundle: Bundle, graph: Graph, coalescer: Coalescer, cache_bytes: int) -> None:
        """Remember nothing yet, and `cache_bytes` at most.

        Raises:
            BundleError: it is of another kind, or its tokenizer has not the tokens that its rules name.
        """
        super().__init__(bundle, graph, coalescer, cache_bytes)
        self.reader = TokenReader.of(bundle)
        self._queries = TokenModel(graph, self.reader, "query")
        self._documents = TokenModel(graph, self.reader, "document")

    @property
    def dimensions(self) -> int:
        """Return how many elements a vector has."""
        return self.graph.width

    async def embed(
        self,
        texts: Sequence[str],
        kind: TextKind,
        lane: Lane,
        deadline: float,
        *,
        whole: bool = True,
        truncation: Truncation | None = None,
    ) -> TokenResult:
        """Make the token vectors of each text.

        Args:
            texts: at least one.
            kind: a query or a document.
            lane: how urgent it is.
            deadline: a time of the scheduler's clock, in seconds.
            whole: whether a text that the model cannot run fails all; else it is the only one that is not `done`.
            truncation: where texts are cut that do not fit; None: where the model's author cuts them.

        Returns:
            float32 [vectors, dimensions] of each text: of the tokens that count, merged only as the model's own
            rules say. Who asks for a query shares its arrays with others: they are not written to.

        Raises:
            NoTokens: one of the texts has none.
            TooLong: one of them does not fit, and truncation is none.
            DeadlineExceeded: it passed, or could not be met on an idle server.
            Overloaded, ShuttingDown, InferenceFailed: as the scheduler says.
        """
        # Queries come again; a document comes once, and its vectors are kept with it.
        key = texts[0] if kind == "query" and len(texts) == 1 and truncation is None else None
        known = None if key is None else self.cache.get(key)
        if known is not None:
            return known
        job = Job(lane, self._model(kind), self._lengths(texts, kind), deadline, whole=whole)
        made = await self._run(job, texts, kind, truncation, key)
        if made.degraded == "deadline":
            check_whole(made)
        result = TokenResult.of(made)
        if key is not None:
            self.cache.put(key, replace(result, spent=Spent()), result.vectors[0].nbytes + 4 * len(key))
        return result

    def is_free(self, query: str) -> bool:
        """Return whether a query's vectors are known, or on their way for another caller."""
        return query in self.cache or self.coalescer.under_way(query)

    async def score(
        self,
        query: Floats,
        documents: Sequence[str],
        deadline: float,
        *,
        truncation: Truncation | None = None,
        whole: bool = False,
    ) -> Result:
        """Score each document by MaxSim, first to last for as long as the deadline allows.

        Args:
            query: its token vectors, float32 [vectors, dimensions], one at least.
            documents: at least one, which `reserve` let in.
            deadline: a time of the scheduler's clock, in seconds, by which this returns.
            truncation: where documents are cut that do not fit; None: where the model's author cuts them.
            whole: whether a part of the scores is worth nothing.

        Returns:
            float32 [documents, 1]: sums over the query's vectors; 0 of a document of which no token counts.

        Raises:
            NoTokens: one of the documents has none.
            TooLong: one of them does not fit, and truncation is none.
            DeadlineExceeded: `whole` is set, and not all could be scored in time.
            Overloaded, ShuttingDown, InferenceFailed: as the scheduler says.
        """
        model, lengths = MaxsimModel(self._documents, query), self._lengths(documents, "document")
        job = Job(Lane.RERANK, model, lengths, deadline, whole=whole, reserved=True)
        return await self._run(job, documents, "document", truncation)

    def reserve(self, documents: Sequence[str], deadline: float) -> AbstractContextManager[None]:
        """Reserve room for documents; call `score` with them after the block.

        Raises:
            Overloaded: they would not be scored by the deadline.
        """
        return self.coalescer.reserve(
            Job(Lane.RERANK, self._documents, self._lengths(documents, "document"), deadline)
        )

    def show(self, texts: Sequence[str], kind: TextKind) -> list[Tokens]:
        """Return each text as the model reads it."""
        return self.reader.show(texts, kind)

    def warm_up(self) -> None:
        """Run shapes of every size, and a text of each kind, so that the first request finds all known.

        Raises:
            BundleError: the graph does not run, or not as the manifest says.
            ProviderError: a GPU cannot run it.
        """
        marked = [item for kind in self.reader.kinds for item in self.reader.read([_WARM_UP_TEXT], kind)]
        self.graph.warm_up(self.tokenizer, marked)

    def _model(self, kind: TextKind) -> Model:
        return self._queries if kind == "query" else self._documents

    def _lengths(self, texts: Sequence[str], kind: TextKind) -> list[int]:
        return [self.reader.estimate(len(text), kind) for text in texts]

    async def _run(
        self,
        job: Job,
        texts: Sequence[str],
        kind: TextKind,
        truncation: Truncation | None,
        key: Hashable = None,
    ) -> Result:
        encode = partial(self.reader.read, kind=kind, truncation=truncation)
        return await self.coalescer.run(job, encode, texts, key, uncut=truncation == "none")
