"""The two models: texts to vectors, and a query beside documents to scores, through the scheduler.

`Embedder` and `Scorer` are what the pipeline awaits; `graph.py` has what a slot runs. Both remember what they
computed: a query's vector, and the score of a query beside a version of a document. Knows texts, deadlines and lanes;
knows neither collections nor gRPC.
"""

from collections.abc import Hashable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial

from shortlist.server.errors import NoTokens, TooLong
from shortlist.server.fusion import Fusion
from shortlist.server.runtime.manifest import TextKind, prefixed
from shortlist.server.runtime.tokens import Tokens, Truncation

from .lanes import Job, Lane
from .loaded_model import LoadedModel
from .result import Result, Spent, check_whole


class Embedder(LoadedModel[Result]):
    """The dual encoder: texts to vectors."""

    @property
    def dimensions(self) -> int:
        """Return how many elements a vector has."""
        return self.graph.width

    @property
    def pooling(self) -> str:
        """Return how a text's vector is made of those of its tokens."""
        return self._manifest.pooling

    async def embed(
        self,
        texts: Sequence[str],
        kind: TextKind,
        lane: Lane,
        deadline: float,
        *,
        whole: bool = True,
        truncation: Truncation | None = None,
    ) -> Result:
        """Embed each text.

        Args:
            texts: at least one.
            kind: decides the prefix.
            lane: how urgent it is.
            deadline: a time of the scheduler's clock, in seconds.
            whole: whether a text that the model cannot run fails all; else it is the only one that is not `done`.
            truncation: where texts are cut that do not fit; None: where the model's author cuts them.

        Raises:
            NoTokens: one of the texts has none.
            TooLong: one of them does not fit, and truncation is none.
            DeadlineExceeded: it passed, or could not be met on an idle server.
            Overloaded, ShuttingDown, InferenceFailed: as the scheduler says.
        """
        # Queries come again; a document comes once, and its vector is kept with it.
        key = texts[0] if kind == "query" and len(texts) == 1 and truncation is None else None
        known = None if key is None else self.cache.get(key)
        if known is not None:
            return known
        texts = self.prefixed(texts, kind)
        job = Job(lane, self.graph, [self.tokenizer.estimate(len(text)) for text in texts], deadline, whole=whole)
        result = await self._run(job, texts, key, truncation)
        if key is not None:
            self.cache.put(key, replace(result, spent=Spent()), result.values.nbytes + 4 * len(key))
        return result

    def is_free(self, query: str) -> bool:
        """Return whether a query's vector is known, or on its way for another caller."""
        return query in self.cache or self.coalescer.under_way(query)

    async def _run(self, job: Job, texts: Sequence[str], key: Hashable, truncation: Truncation | None) -> Result:
        """Run all texts, or raise DeadlineExceeded."""
        encode = partial(self.tokenizer.encode, truncation=truncation)
        result = await self.coalescer.run(job, encode, texts, key, uncut=truncation == "none")
        if result.degraded == "deadline":
            check_whole(result)
        return result

    def prefixed(self, texts: Sequence[str], kind: TextKind) -> Sequence[str]:
        """Put the model's prefix for this kind of text before each."""
        return prefixed(self._manifest, texts, kind)

    def show(self, texts: Sequence[str], kind: TextKind) -> list[Tokens]:
        """Return each text as the model reads it."""
        return self.tokenizer.show(self.prefixed(texts, kind))


@dataclass(frozen=True, slots=True)
class Known:
    """What was computed of a query beside a document."""

    logit: float
    truncated: bool


class Scorer(LoadedModel[Known]):
    """The cross-encoder: a query beside documents to scores."""

    @property
    def fusion(self) -> Fusion:
        """Return how much the similarity counts in the order of searches that do not say."""
        return self.info.fusion

    @property
    def label(self) -> str:
        """Return the name of what the score is the probability of; the hub's default where its author gave none."""
        return self._manifest.relevant_label or "LABEL_0"

    async def score(
        self,
        query: str,
        documents: Sequence[str],
        deadline: float,
        versions: Sequence[Hashable] = (),
        *,
        reserved: bool = False,
        lane: Lane = Lane.RERANK,
        truncation: Truncation | None = None,
        whole: bool = False,
    ) -> Result:
        """Score each document, first to last for as long as the deadline allows.

        Args:
            query: what is looked for.
            documents: at least one, most promising first.
            deadline: a time of the scheduler's clock, in seconds, by which this returns.
            versions: names of the documents under which scores are remembered, each of one text only; none for texts
                that are in no collection.
            reserved: whether `reserve` let them in.
            lane: how urgent it is.
            truncation: where pairs are cut that do not fit; None: where the model's author cuts them. Documents that
                are in a collection are cut there, since their scores are remembered.
            whole: whether a part of the scores is worth nothing.

        Raises:
            NoTokens: the query and one of the documents have none.
            TooLong: one of the pairs does not fit, and truncation is none.
            DeadlineExceeded: `whole` is set, and not all could be scored in time.
            Overloaded, ShuttingDown, InferenceFailed: as the scheduler says.
        """
        known = [self.cache.get((query, version)) for version in versions] or [None] * len(documents)
        unknown = [index for index, one in enumerate(known) if one is None]
        scored = Result.of(self.graph.blank(len(documents)))
        for index, one in enumerate(known):
            if one is not None:
                scored.values[index], scored.done[index], scored.truncated[index] = one.logit, True, one.truncated
        if not unknown:
            return scored
        wanted = tuple(versions[index] for index in unknown) if versions else ()
        texts = [documents[index] for index in unknown]
        lengths = [self.tokenizer.estimate(len(query) + len(text)) for text in texts]
        job = Job(lane, self.graph, lengths, deadline, whole=whole, reserved=reserved)
        run = await self._run(job, query, texts, wanted, truncation)
        scored.values[unknown], scored.done[unknown] = run.values, run.done
        scored.tokens[unknown], scored.truncated[unknown] = run.tokens, run.truncated
        self._remember(query, wanted, run)
        return replace(scored, failed=run.failed, spent=run.spent)

    async def _run(
        self,
        job: Job,
        query: str,
        documents: Sequence[str],
        versions: tuple[Hashable, ...],
        truncation: Truncation | None,
    ) -> Result:
        key = (query, versions) if versions else None
        encode = partial(self.tokenizer.encode_pairs, query, truncation=truncation)
        try:
            return await self.coalescer.run(job, encode, documents, key, uncut=truncation == "none")
        except NoTokens as error:
            raise NoTokens(error.index, query, "query") from error
        except TooLong as error:
            is_query = self.tokenizer.encode([query])[0].truncated  # so no document would fit beside it
            field, text = ("query", query) if is_query else (f"documents[{error.index}]", documents[error.index])
            raise TooLong(error.index, text, self.tokenizer.max_tokens, field) from error

    async def classify(
        self, texts: Sequence[str], deadline: float, *, truncation: Truncation | None = None
    ) -> Result:
        """Score texts that stand beside no query, all of them; all else is as in `score`."""
        lengths = [self.tokenizer.estimate(len(text)) for text in texts]
        job = Job(Lane.RERANK, self.graph, lengths, deadline, whole=True)
        encode = partial(self.tokenizer.encode, truncation=truncation)
        return await self.coalescer.run(job, encode, texts, uncut=truncation == "none")

    def _remember(self, query: str, versions: Sequence[Hashable], run: Result) -> None:
        for version, logit, done, truncated in zip(
            versions, run.logits.tolist(), run.done.tolist(), run.truncated.tolist(), strict=False
        ):
            if done:
                # A query's entries share its text, but any may outlive the others: each is charged for all of it.
                self.cache.put((query, version), Known(logit, truncated), 4 * len(query))

    def show(self, query: str, texts: Sequence[str]) -> list[Tokens]:
        """Return each text as the model reads it, beside the query if there is one."""
        return self.tokenizer.show(texts, query)

    def reserve(self, pairs: int, tokens: int, deadline: float) -> AbstractContextManager[None]:
        """Reserve room for so many pairs of about so many tokens; call `score` with them after the block.

        Raises:
            Overloaded: they would not be scored by the deadline.
        """
        return self.coalescer.reserve(Job(Lane.RERANK, self.graph, [tokens] * pairs, deadline))

    def seconds(self, query: str, documents: Sequence[str]) -> list[float]:
        """Estimate what each document takes beside the query, if it has all slots for itself."""
        characters = (len(query) + len(document) for document in documents)
        return [self.pair_s(self.tokenizer.estimate(count)) for count in characters]

    def pair_s(self, tokens: int) -> float:
        """Estimate what a pair of so many tokens takes of a job of many, which all slots share, in seconds."""
        return self.graph.estimate_s([tokens]) / self.coalescer.slots
