"""Whether a peer computes what Shortlist computes: a fast answer to another question is none."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from shortlist.bench.candidates import Candidates
from shortlist.export import figures

from .peer import Floats, Peer, PeersError

# Kendall's tau of a list's order, the mean over lists. The same graph differs in the last bits where batches are
# padded; a graph that varies with its batch, or another precision, changes places among passages that are hardly
# apart (docs/variants.md). Token types that are all zero leave the demo's reranker 0.81 on DL 2019's lists.
SAME_GRAPH, OTHER_GRAPH = 0.99, 0.9
LEAST_COSINE = 0.98


@dataclass(frozen=True, slots=True)
class Answers:
    """A peer's answers to the questions that are compared."""

    scores: tuple[Floats, ...]  # a list's float32 [passages] each
    vectors: Floats  # float32 [texts, dimensions]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How near a peer's answers are to Shortlist's."""

    tau: float  # of a list's order, the mean
    score_change: float  # the largest
    cosine: float  # the least


async def asked(peer: Peer, lists: Sequence[Candidates], texts: Sequence[str]) -> Answers:
    """Ask a peer for some lists' scores and some vectors."""
    scores = tuple([await peer.rerank(one.query, one.texts) for one in lists])
    return Answers(scores, await peer.embed(texts))


def compare(name: str, found: Answers, wanted: Answers, *, same_graph: bool) -> Agreement:
    """Compare a peer's answers with Shortlist's.

    Args:
        name: the peer's, for the error.
        found: its answers.
        wanted: Shortlist's.
        same_graph: whether both run the same graph, and one whose results do not depend on the batch.

    Raises:
        PeersError: it computes something else.
    """
    lists = list(zip(wanted.scores, found.scores, strict=True))
    norms = np.linalg.norm(found.vectors, axis=1) * np.linalg.norm(wanted.vectors, axis=1)
    agreement = Agreement(
        tau=fmean(figures.kendall_tau(one, other) for one, other in lists),
        score_change=max(float(np.abs(one - other).max()) for one, other in lists),
        cosine=float(((found.vectors * wanted.vectors).sum(axis=1) / norms).min()),
    )
    least = SAME_GRAPH if same_graph else OTHER_GRAPH
    if not (agreement.tau >= least and agreement.cosine >= LEAST_COSINE):
        raise PeersError(
            f"{name} computes something else than Shortlist: Kendall's tau of a list's order is {agreement.tau:.3f}"
            f" (at least {least}), the least cosine of a vector {agreement.cosine:.3f} (at least {LEAST_COSINE});"
            " is it the same model, and does it see token types?"
        )
    return agreement
