"""Texts by themselves and pairs of texts, scored by the reranker as the classifier of one label that it is.

Pairs of one first text are a job, and so are all texts that are by themselves. Runs on the event loop.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from shortlist.server.errors import NoTokens, TooLong
from shortlist.server.inference.models import Scorer
from shortlist.server.inference.result import Result, Spent
from shortlist.server.runtime.tokens import Truncation


async def predict(
    scorer: Scorer, inputs: Sequence[Sequence[str]], deadline: float, truncation: Truncation | None
) -> Result:
    """Score all inputs, each of one text or of two.

    Raises:
        DeadlineExceeded, Overloaded, ShuttingDown, InferenceFailed: not all could be.
        NoTokens, TooLong: one of them cannot be.
    """
    groups: dict[str | None, list[int]] = defaultdict(list)
    for index, texts in enumerate(inputs):
        groups[texts[0] if len(texts) > 1 else None].append(index)

    async def score(first: str | None, members: Sequence[int]) -> Result:
        texts = [inputs[index][-1] for index in members]
        try:
            if first is None:
                return await scorer.classify(texts, deadline, truncation=truncation)
            return await scorer.score(first, texts, deadline, truncation=truncation, whole=True)
        except (NoTokens, TooLong) as error:
            error.rename(f"inputs[{members[error.index]}]")
            raise

    tasks = [asyncio.ensure_future(score(*group)) for group in groups.items()]
    try:
        parts = await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
    made = Result.empty(len(inputs), 1)
    for members, part in zip(groups.values(), parts, strict=True):
        made.values[members], made.done[members] = part.values, part.done
        made.tokens[members], made.truncated[members] = part.tokens, part.truncated
    return Result(made.values, made.done, made.tokens, made.truncated, spent=_longest(parts))


def _longest(parts: Sequence[Result]) -> Spent:
    """Return what jobs took that went on at once."""
    spent = [part.spent for part in parts]
    return Spent(
        max(one.tokenize_s for one in spent), max(one.queue_s for one in spent), max(one.infer_s for one in spent)
    )
