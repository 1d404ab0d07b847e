"""One comparison from beginning to end: read, lay out, start, compare answers, take turns, stop.

Whatever can be refused is refused before the first turn.
"""

import asyncio
import contextlib
import gc
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from shortlist.bench.studies.study import show
from shortlist.server import cores
from shortlist.server.runtime import bundle
from shortlist.server.runtime.bundle import Bundle

from . import agreement, layout, questions, rounds
from .agreement import Agreement
from .infinity import Infinity
from .library import SentenceTransformers
from .peer import Models, Peer, PeersError
from .questions import Questions
from .report import Report
from .rounds import WORKLOADS, Asked, Participant, Row
from .server import Shortlist
from .settings import PeersSettings

_COMPARED_LISTS, _COMPARED_TEXTS = 3, 16


async def run(settings: PeersSettings) -> Report:
    """Compare.

    Raises:
        PeersError: something is missing or cannot be compared, or a peer computes something else.
        StartupError: a bundle or a model cannot be read.
    """
    texts = Questions(
        questions.read_candidates(settings.candidates, settings.passages),
        questions.read_collection(settings.collection, settings.documents),
        settings.passages,
    )
    embedder, reranker = bundle.load(settings.embedder, "embedder"), bundle.load(settings.reranker, "reranker")
    _check(embedder, reranker, settings.variant)
    asked = [Shortlist(), *_peers(settings)]
    left_out = {one.name: why for one in asked if (why := one.missing())}
    for name, why in left_out.items():
        show(f"left out: {name}: {why}")
    peers = [one for one in asked if one.name not in left_out]
    with tempfile.TemporaryDirectory() as folder:
        models = _laid_out(settings, embedder, reranker, Path(folder), alone=len(peers) == 1)
        async with _started(peers, models):
            agreements = await _compared(peers, texts, embedder, reranker, settings)
            rows = await _rows(peers, texts, embedder, reranker, settings)
    return Report(
        machine=f"{cores.usable()} cores of {cores.processor()}",
        passages=settings.passages,
        rounds=settings.rounds,
        seconds=settings.seconds,
        rows=rows,
        versions={peer.name: peer.version for peer in peers},
        agreements=agreements,
        left_out=left_out,
    )


async def _rows(
    peers: Sequence[Peer], texts: Questions, embedder: Bundle, reranker: Bundle, settings: PeersSettings
) -> list[Row]:
    """Fill what is searched, and load everybody in turns."""
    for peer in peers:
        if "search" in peer.loads & set(settings.loads):
            show(f"{peer.name} takes {len(texts.collection.documents)} documents in")
            await peer.index(texts.collection.documents)
            await peer.search(texts.collection.queries[0], texts.candidates, texts.top_k)
    bare = []
    if "offline" in settings.only:
        bare = rounds.offline(embedder, reranker, settings.variant, texts, cores.usable())
    gc.collect()
    gc.freeze()  # laying out brought PyTorch's million objects, which are not to be gone through in a turn
    chosen = [load for load in WORKLOADS if load.kind in settings.loads]
    participants: list[Participant] = [*(Asked(peer, texts) for peer in peers), *bare]
    found = await rounds.measure(participants, chosen, settings.rounds, settings.seconds, show)
    for one in bare:
        one.close()
    return found


def _peers(settings: PeersSettings) -> list[Peer]:
    known: dict[str, Peer] = {
        "infinity": Infinity(settings.infinity),
        "torch": SentenceTransformers("torch"),
        "onnx": SentenceTransformers("onnx"),
    }
    return [peer for name, peer in known.items() if name in settings.only]


def _check(embedder: Bundle, reranker: Bundle, variant: str) -> None:
    embedder.verify(variant)
    reranker.verify(variant)
    if embedder.manifest.query_prefix or embedder.manifest.document_prefix:
        raise PeersError(
            f"embedder {embedder.path} puts prefixes before texts, which infinity does not; name another"
        )
    if embedder.manifest.pooling not in {"mean", "cls"}:
        raise PeersError(f"embedder {embedder.path} pools by {embedder.manifest.pooling}, which infinity cannot")


def _laid_out(settings: PeersSettings, embedder: Bundle, reranker: Bundle, folder: Path, *, alone: bool) -> Models:
    """Write both models as the peers read them, unless Shortlist is alone with the bare loop."""
    models = Models(
        embedder_bundle=embedder.path,
        reranker_bundle=reranker.path,
        embedder_folder=folder / "embedder",
        reranker_folder=folder / "reranker",
        variant=settings.variant,
        pooling=embedder.manifest.pooling,
    )
    if not alone:
        show("laying both models out as the peers read them")
        layout.write(embedder, settings.variant, settings.embedder_model, models.embedder_folder)
        layout.write(reranker, settings.variant, settings.reranker_model, models.reranker_folder)
    return models


@contextlib.asynccontextmanager
async def _started(peers: Sequence[Peer], models: Models) -> AsyncIterator[None]:
    """Start the peers one after another, and stop all of them at the end."""
    try:
        for peer in peers:
            show(f"starting {peer.name}")
            await peer.start(models)
        yield
    finally:
        await asyncio.gather(*(peer.stop() for peer in peers))


async def _compared(
    peers: Sequence[Peer], texts: Questions, embedder: Bundle, reranker: Bundle, settings: PeersSettings
) -> dict[str, Agreement]:
    """Compare every peer's answers with Shortlist's, which is the first; this also warms all of them up."""
    invariant = all(one.manifest.variants[settings.variant].batch_invariant for one in (embedder, reranker))
    few = texts.collection.texts[:_COMPARED_TEXTS]
    answers = {peer.name: await agreement.asked(peer, texts.lists[:_COMPARED_LISTS], few) for peer in peers}
    first, *others = peers
    return {
        peer.name: agreement.compare(
            peer.name,
            answers[peer.name],
            answers[first.name],
            same_graph=invariant and peer.graph == first.graph,
        )
        for peer in others
    }
