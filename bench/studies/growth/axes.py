"""The three axes: what is set up for each of their levels, and which loads it gets."""

import tempfile
from statistics import fmean
from typing import TYPE_CHECKING

from shortlist.bench.requests import Shape
from shortlist.bench.studies import watched
from shortlist.bench.studies.lengths import Cutter
from shortlist.bench.texts import Texts
from shortlist.server.runtime import bundle
from shortlist.server.runtime.tokens import Encoded, Tokenizer

from . import recall
from .filling import COLLECTION, Served, served
from .level import Place
from .session import Session

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

_ALONE, _SEVERAL = 1, 8  # clients, where something else grows
_TOP_K = 10
_EMBEDDED = 8  # documents of an embed
_CUT = 640_000  # tokens of the passages of one length, so that an embed meets none twice
_LEAST_CUT = 3000  # passages
_SAMPLE = 500  # pairs whose length is looked at


def documents(session: Session) -> None:
    """Measure searches of collections of several sizes."""
    for count in session.settings.levels("documents"):
        places = [Place("documents", count, "dense", clients) for clients in (_ALONE, _SEVERAL)]
        places += [Place("documents", count, "search", clients) for clients in (_ALONE, _SEVERAL)]
        if missing := session.missing(*places):
            with _served(session, count) as (server, data, filled):
                facts = {
                    **({"rows_s": filled.rows_s, "index_s": filled.index_s} if filled.documents else {}),
                    "start_s": server.start_s,
                    "disk_mb": sum(one.stat().st_size for one in data.rglob("*") if one.is_file()) / 1e6,
                    "recall_at_10": recall.measure(server.address, data, _queries(session)),
                }
                session.show("  ".join(f"{name} {value:,.3f}" for name, value in facts.items()))
                for place in missing:
                    session.measure(place, server, _shape(session), facts)


def clients(session: Session) -> None:
    """Measure reranks and dense searches with more and more clients."""
    levels = session.settings.levels("clients")
    places = [Place("clients", count, "rerank", count) for count in levels]
    places += [Place("clients", count, "dense", count) for count in levels]
    if missing := session.missing(*places):
        with _served(session, session.settings.held) as (server, _, _):
            for place in missing:
                session.measure(place, server, _shape(session), {"documents": session.settings.held})


def tokens(session: Session) -> None:
    """Measure reranks and embeds of passages of several lengths."""
    chosen = session.settings
    embedder, reranker = bundle.load(chosen.embedder, "embedder"), bundle.load(chosen.reranker, "reranker")
    for length in chosen.levels("tokens"):
        places = [Place("tokens", length, "rerank", count) for count in (_ALONE, _SEVERAL)]
        places.append(Place("tokens", length, "embed", _SEVERAL))
        if not (missing := session.missing(*places)):
            continue
        cutter = Cutter(reranker.tokenizer, session.texts.passages, chosen.seed)
        cut = tuple(cutter.cut(length) for _ in range(max(_LEAST_CUT, _CUT // length)))
        pairs = zip(session.texts.queries * _SAMPLE, cut[:_SAMPLE], strict=False)
        tokenizer = Tokenizer(reranker)
        facts = {
            "rerank": _lengths([tokenizer.encode_pairs(query, [passage])[0] for query, passage in pairs]),
            "embed": _lengths(Tokenizer(embedder).encode(cut[:_SAMPLE])),
        }
        texts = Texts(session.texts.name, session.texts.queries, cut)
        with (
            tempfile.TemporaryDirectory(prefix="shortlist-growth-") as data,
            watched.serving(*chosen.models, "--data", data) as server,
        ):
            for place in missing:
                session.measure(place, server, _shape(session), facts[place.load], texts)


def _lengths(items: list[Encoded]) -> dict[str, float]:
    """Return how long items are as the model reads them, and which share of them its window cuts."""
    return {"mean_tokens": fmean(map(len, items)), "cut": fmean(item.truncated for item in items)}


def _shape(session: Session) -> Shape:
    chosen = session.settings
    return Shape(
        passages=chosen.passages,
        texts=_EMBEDDED,
        text_kind="document",
        batch=1,
        top_k=min(_TOP_K, chosen.passages),
        include_text=True,
        timeout_s=chosen.timeout_s,
        searched=COLLECTION,
    )


def _queries(session: Session) -> tuple[str, ...]:
    return session.texts.queries[: session.settings.recall_queries]


def _served(session: Session, count: int) -> "AbstractContextManager[Served]":
    chosen = session.settings
    return served(chosen.data, chosen.embedder, chosen.reranker, session.texts.passages, count)
