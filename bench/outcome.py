"""What a benchmark came to: its levels, and all of it as one object for JSON."""

import dataclasses
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shortlist.client.description import Description
from shortlist.console.output import counted
from shortlist.server import cores

from .kinds import Name
from .load import Closed, Load, Open
from .measuring import Plan, Run
from .samples import Figures, figures
from .settings import BenchSettings

if TYPE_CHECKING:
    from .benchmark import Benchmark

_DIGITS = 3


@dataclass(frozen=True, slots=True)
class Level:
    """One load and what came of it."""

    clients: int | None  # of a closed loop
    rate: float | None  # of an open loop, a second
    stable: bool  # False: no windows agreed, and the figures are those of all
    interrupted: bool  # ended before it was done
    seconds: float  # that the figures are over
    windows: list[dict[str, float | None]]  # all, in their order
    set_aside: int  # of the windows: came before those that agree
    held_back: int  # requests sent late because too many were outstanding
    generator_cores: float  # that the load generator itself kept busy
    all: Figures
    kinds: dict[Name, Figures]  # of a mixed load

    @property
    def load(self) -> str:
        """The load as a table has it."""
        return str(self.clients) if self.clients is not None else f"{self.rate:g}"


def level(
    load: Load, run: Run, plan: Plan, kinds: Sequence[Name], deadline_ms: float | None, generator_cores: float
) -> Level | None:
    """Return what came of a load; None if the run was interrupted before there was anything to tell.

    Args:
        load: that was put on.
        run: what was measured.
        plan: by which.
        kinds: of requests; several are told apart.
        deadline_ms: that of a request.
        generator_cores: that the load generator itself kept busy.
    """
    counted = run.counted(plan.agreeing)
    if not counted:
        return None
    begin_s, end_s, samples = counted[0].begin_s, counted[-1].end_s, run.log.samples
    told_apart = kinds if len(kinds) > 1 else ()
    by_kind = {kind: [one for one in samples if one.reply.kind == kind] for kind in told_apart}
    deadline_s = None if deadline_ms is None else deadline_ms / 1000
    return Level(
        clients=load.clients if isinstance(load, Closed) else None,
        rate=load.rate if isinstance(load, Open) else None,
        stable=run.stable,
        interrupted=run.interrupted,
        seconds=end_s - begin_s,
        windows=[one.told() for one in run.windows],
        set_aside=len(run.windows) - len(counted),
        held_back=run.log.held,
        generator_cores=generator_cores,
        all=figures(samples, begin_s, end_s, deadline_s),
        kinds={kind: figures(found, begin_s, end_s, deadline_s) for kind, found in by_kind.items()},
    )


def title(settings: BenchSettings) -> str:
    """Return what is measured, in a line."""
    texts = f"{settings.texts} {settings.text_kind} text{'s' if settings.texts > 1 else ''}"
    told: dict[Name, str] = {
        "rerank": f"rerank of {settings.passages} passages",
        "embed": f"embed of {texts}",
        "dense": "search, stage one",
        "search": f"search, {settings.passages} candidates reranked",
        "ingest": f"ingest of {settings.batch} passages",
    }
    shares = settings.shares()
    parts = [told[kind] if len(shares) == 1 else f"{share} x {told[kind]}" for kind, share in shares.items()]
    deadline = "" if settings.deadline_ms is None else f"; deadline {settings.deadline_ms:g} ms"
    return f"{'; '.join(parts)}{deadline}"


def subtitle(described: Description, documents: int | None) -> str:
    """Return what it is measured on, in a line."""
    models = (described.embedder, described.reranker)
    named = " and ".join(f"{Path(one.source).name or one.source} {one.variant}" for one in models)
    slots = f"{counted(described.slots, 'slot')} of {counted(described.threads, 'thread')}"
    held = "" if documents is None else f"; {documents:,} passages"
    return (
        f"Shortlist {described.version}, {named}, {slots}{held};"
        f" sent from {cores.model_name()}, {cores.usable()} cores"
    )


def told(benchmark: "Benchmark") -> dict[str, Any]:
    """Return all of a benchmark as JSON has it."""
    chosen = asdict(benchmark.settings)
    found: dict[str, Any] = plain(
        {
            "benchmark": title(benchmark.settings),
            "loop": "open" if chosen["rates"] else "closed",
            "interrupted": benchmark.stop.is_set(),
            "settings": chosen,
            "texts": benchmark.draw.told(),
            "server": {
                "address": benchmark.address,
                "documents": benchmark.documents,
                "recall": benchmark.recall,
                **({} if benchmark.described is None else asdict(benchmark.described)),
            },
            "generator": {
                "version": version("shortlist"),
                "processor": cores.processor(),
                "cores": cores.usable(),
                "python": platform.python_version(),
                "empty_call_ms": benchmark.empty_call_ms,
            },
            "levels": benchmark.levels,
        }
    )
    return found


def plain(value: Any) -> Any:
    """Return a value as JSON has it, with numbers rounded to three places."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    match value:
        case Mapping():
            return {key: plain(one) for key, one in value.items()}
        case list() | tuple():
            return [plain(one) for one in value]
        case float():
            return round(value, _DIGITS)
        case Path():
            return str(value)
        case _:
            return value
