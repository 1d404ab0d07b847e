"""What the texts of a request took, as TEI tells it beside an answer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shortlist.server.inference.result import Spent


@dataclass(frozen=True, slots=True)
class Usage:
    """What the texts of a request took together; times are of the job that they were, in seconds."""

    characters: int
    tokens: int  # in the window, special ones among them
    spent: Spent
    total_s: float  # from the request to its answer


def together(parts: Sequence[Usage], total_s: float) -> Usage:
    """Return what several jobs took that were answered together: sums, and of their times the means."""
    spent = sum((part.spent for part in parts), Spent())
    count = len(parts)
    mean = Spent(spent.tokenize_s / count, spent.queue_s / count, spent.infer_s / count)
    return Usage(sum(part.characters for part in parts), sum(part.tokens for part in parts), mean, total_s)


def headers(usage: Usage, provider: str) -> Iterator[tuple[str, str]]:
    """Yield headers by TEI's names: whole milliseconds, and where the models run."""
    yield "x-compute-type", provider
    yield "x-compute-characters", str(usage.characters)
    yield "x-compute-tokens", str(usage.tokens)
    times = {
        "compute": usage.total_s,
        "total": usage.total_s,
        "tokenization": usage.spent.tokenize_s,
        "queue": usage.spent.queue_s,
        "inference": usage.spent.infer_s,
    }
    for name, seconds in times.items():
        yield f"x-{name}-time", str(round(1000 * seconds))
