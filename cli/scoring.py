"""Any number of texts scored against a query: in several calls, as one result.

A score is the model's word on one pair, whatever else is in its call, so the calls' results are merged by it. Each
call has the deadline to itself.
"""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import astuple, replace

from shortlist.client.client import Client
from shortlist.client.description import Limits
from shortlist.client.types import Degraded, Ranked, RerankModel, RerankResult, Timing

from .batches import batches

# Few enough for the default deadline on slow processors: 512 tokens each, 11 pairs a second.
_TEXTS = 256


def score(
    client: Client,
    query: str,
    texts: Sequence[str],
    limits: Limits,
    done: Callable[[int], None],
    model: RerankModel = "reranker",
) -> RerankResult:
    """Score all texts.

    Args:
        client: of the server.
        query: what to score them against.
        texts: one at least, each within the server's limits.
        limits: of the server.
        done: called with the number of texts that are done.
        model: what scores them.
    """
    results = []
    count = 0
    for batch in batches(((text, len(text.encode(errors="surrogatepass"))) for text in texts), _TEXTS, limits):
        results.append(client.rerank(query, batch, model=model))
        count += len(batch)
        done(count)
    return merged(results)


def merged(results: Sequence[RerankResult]) -> RerankResult:
    """Return the results of calls that were made one after the other as that of one call for all their texts.

    Each holds all of its call's texts, best first. Times are sums: those that the calls took together.
    """
    ranked: list[list[Ranked]] = []
    offset = 0
    for result in results:
        ranked.append([replace(one, index=one.index + offset) for one in result.results])
        offset += len(result.results)
    return RerankResult(
        results=tuple(heapq.merge(*ranked, key=_order)),
        reranked=sum(result.reranked for result in results),
        degraded=next((result.degraded for result in results if result.degraded), None),
        truncated=sum(result.truncated for result in results),
        timing=Timing(*map(sum, zip(*(astuple(result.timing) for result in results), strict=True))),
        tokens=sum(result.tokens for result in results),
    )


def shortfall(degraded: Degraded, reranked: int, count: int, noun: str) -> str:
    """Return why texts that were to be scored have no score."""
    is_late = degraded == "deadline"
    why = "the deadline came near" if is_late else "the model could not run some of them (the server's log has why)"
    return f"{why}: only {reranked} of {count} {noun} have a score"


def _order(one: Ranked) -> tuple[bool, float]:
    """Return what texts are sorted by: those without a score follow the others."""
    return one.score is None, -(one.score or 0.0)
