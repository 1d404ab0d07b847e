"""Tuning from settings to file: what the defaults are, the race against them, the file."""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version

import onnxruntime as ort

from shortlist.console.output import counted
from shortlist.server import cores
from shortlist.server.errors import StorageError
from shortlist.server.runtime import bundle, providers, variant_selection
from shortlist.server.runtime.bundle import Bundle
from shortlist.server.runtime.graph import Graph
from shortlist.server.runtime.variant_selection import Timings
from shortlist.server.runtime.variant_timings import Run
from shortlist.server.settings import Settings
from shortlist.server.storage import data_folder

from . import file, race
from .machine import Machine
from .race import MARGIN, Arrangement, Race, Trial
from .settings import TuneSettings

Progress = Callable[[str], None]

# The least share of a core that a slot has on a quiet machine; 0.98 was measured on two cores.
_LEAST_SHARE = 0.85
_SMALL_STACK = 512  # tokens


@dataclass(frozen=True, slots=True)
class Tuned:
    """The result of tuning."""

    out: str  # the file that was written
    processor: str
    cores: int
    candidates: int  # of the searches that were run
    embedder_variant: str
    reason: str  # why that one
    default: Arrangement
    chosen: Arrangement
    gain: float  # the best score of the final over the defaults'; they stay below the margin, or beside other work
    seconds: float  # that tuning took
    warning: str  # what speaks against the figures; empty: nothing
    trials: tuple[Trial, ...]  # best first: the final's, then those of the heats

    def verdict(self) -> str:
        """Return in a line what was chosen, and why."""
        if self.chosen != self.default:
            return f"{self.chosen}: {self.gain:.2f} times the defaults ({self.default})"
        if self.gain == 1:
            return f"the defaults stay: {self.chosen}; nothing was better"
        why = "beside other work" if self.gain >= 1 + MARGIN else f"less than the margin of {100 * MARGIN:.0f}%"
        return f"the defaults stay: {self.chosen}; the best was better by {100 * (self.gain - 1):.1f}%, {why}"


def run(settings: TuneSettings, progress: Progress) -> Tuned:
    """Find an arrangement, and write the file.

    Raises:
        StartupError: a bundle, the provider or the file cannot be used; nothing was written.
    """
    began = time.monotonic()
    file.check(settings.out, force=settings.force)
    serve = settings.serve()
    providers.target(serve)  # an option that the provider lacks is refused first
    embedder, reranker = bundle.load(serve.embedder, "embedder"), bundle.load(serve.reranker, "reranker")
    serve, reason = _embedder_variant(serve, embedder, progress)
    default, names = _reranker_variants(serve, reranker)
    machine = Machine(serve, embedder, reranker, settings.measure_s)
    machine.fit(default)
    found = Race(default, machine.measure, progress)
    kind = providers.KINDS[serve.provider]
    budgets = race.budgets(gpu=kind.gpu, compiles=kind.compiles)
    # A variant whose results depend on its batch-mates is never stacked.
    invariant = {name for name in names if reranker.manifest.variants[name].batch_invariant}
    variants = {name: budgets if name in invariant else () for name in names}
    found.run(variants, race.divisions(cores.usable(), gpu=kind.gpu))
    trials = tuple(sorted(found.trials.values(), key=_rank))
    chosen, gain, warning = settle(trials, default, gpu=kind.gpu)
    tuned = Tuned(
        out=str(settings.out),
        processor=cores.processor(),
        cores=cores.usable(),
        candidates=machine.candidates,
        embedder_variant=serve.embedder_variant,
        reason=reason,
        default=default,
        chosen=chosen,
        gain=round(gain, 4),
        warning=warning,
        seconds=round(time.monotonic() - began, 1),
        trials=trials,
    )
    file.put(settings.out, content(tuned, serve), force=settings.force)
    return tuned


def _embedder_variant(serve: Settings, embedder: Bundle, progress: Progress) -> tuple[Settings, str]:
    """Return settings with the embedder's variant as the server would choose it, and why it is that one."""
    made_with = {one.origin.fingerprint for one in data_folder.recorded(serve.data)}
    name = _chosen(serve, embedder, serve.embedder_variant, made_with)
    embedder.verify(name)
    fingerprint = embedder.manifest.fingerprint(name)
    if made_with - {fingerprint}:
        raise StorageError(
            f"data folder {serve.data} holds collections that were made with another embedder than {embedder.path},"
            f" {name}; tune for that embedder, or for another folder with --data"
        )
    if made_with:
        reason = f"the collections in {serve.data} were made with it"
    elif serve.embedder_variant != variant_selection.AUTO:
        reason = "it was asked for"
    else:
        reason = "the fastest that passed its gate"
    progress(f"embedder: {name}, {reason}")
    return replace(serve, embedder_variant=name), reason


def _reranker_variants(serve: Settings, reranker: Bundle) -> tuple[Arrangement, list[str]]:
    """Return what the server would run without tuning, and which variants to try."""
    name = _chosen(serve, reranker, serve.reranker_variant, ())
    reranker.verify(name)
    target = providers.target(serve)
    default = Arrangement(name, target.slots, target.threads, providers.batch_tokens(serve))
    asked = serve.reranker_variant
    return default, variant_selection.passed(reranker, serve.provider) if asked == variant_selection.AUTO else [asked]


def _chosen(serve: Settings, source: Bundle, asked: str, made_with: Collection[str]) -> str:
    def load(variant: str) -> Run:
        return Graph(source, variant, providers.target(serve), providers.batch_tokens(serve)).run_length

    timings = Timings(serve.data / "timings.json")
    return variant_selection.choose(source, asked, serve.provider, made_with, timings, load)


def settle(trials: Sequence[Trial], default: Arrangement, *, gpu: bool) -> tuple[Arrangement, float, str]:
    """Return the arrangement to take, the best one's gain, and a warning if there is one.

    If the defaults had their cores in no round of the final, they stay: what is best on half a machine may be slow on
    the whole one.
    """
    final = [one for one in trials if one.stage == race.FINAL]
    chosen, gain = race.choose(final, default)
    if gpu:
        return chosen, gain, ""
    robbed = disturbed([one for one in final if one.arrangement == default])
    return default if robbed else chosen, gain, disturbed(trials)


def disturbed(trials: Sequence[Trial]) -> str:
    """Return a warning if the machine did other work, or a container's host granted less than its cgroup says.

    Slots of one thread with work waiting keep a core busy each. More threads wait for each other, and large stacks
    leave slots idle at the end.
    """
    plain = [one for one in trials if one.arrangement.threads == 1 and one.arrangement.batch_tokens <= _SMALL_STACK]
    shares = [one.best.cores / one.arrangement.slots for one in plain if one.best]
    short = [share for share in shares if share < _LEAST_SHARE]
    if not short:
        return ""
    where = f"in {len(short)} of {counted(len(shares), 'arrangement')}"
    return (
        f"{where} a slot of one thread had {min(short):.0%} of a core: other work was in the way, and without it"
        " another may be the best; tune again when the machine is quiet"
    )


def content(tuned: Tuned, serve: Settings) -> str:
    """Return the settings file.

    Args:
        tuned: what was found.
        serve: the settings that tuning ran with.
    """
    versions = f"shortlist {version('shortlist')}, onnxruntime {ort.__version__}"
    comments = (
        f"Written by `shortlist tune` on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {versions}.",
        f"Measured on {tuned.processor}, {counted(tuned.cores, 'core')}.",
        f"Reranker: {tuned.verdict()}.",
        f"Embedder: {tuned.embedder_variant}, {tuned.reason}.",
        *([f"Warning: {tuned.warning}."] if tuned.warning else []),
    )
    return file.text(
        comments,
        {
            "embedder": str(serve.embedder),
            "embedder_variant": tuned.embedder_variant,
            "reranker": str(serve.reranker),
            "reranker_variant": tuned.chosen.variant,
            "data": str(serve.data),
            "provider": serve.provider,
            "slots": tuned.chosen.slots,
            "threads": tuned.chosen.threads,
            "batch_tokens": tuned.chosen.batch_tokens,
            "provider_options": serve.provider_options,
        },
    )


def _rank(trial: Trial) -> tuple[bool, bool, float]:
    """Order trials: the final's first, those that cannot run last, the best first among each."""
    return trial.stage != race.FINAL, trial.best is None, -trial.best.score if trial.best else 0.0
