"""Which variant of a bundle runs: the one that is named, or the fastest that passed the gate.

    named? -> it, with a warning if it failed
    auto   -> of those that passed and are for the provider: the one that the collections were made with,
              else the fastest on this processor

Export timed the variants on its own processor. On another one, or on another provider than the CPU, they are timed
again at the first start, and the figures are kept in `timings.json` in the data folder. The gate's verdict stays
export's; if it may not hold here, the log says so.
"""

import logging
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import msgspec
import onnxruntime as ort

from shortlist.server import cores, durable
from shortlist.server.errors import BundleError
from shortlist.server.settings import Provider

from . import providers, variant_timings
from .bundle import Bundle
from .manifest import Manifest, Times
from .variant_timings import Run

logger = logging.getLogger(__name__)

AUTO = "auto"

_Known = dict[str, dict[str, Times]]  # what was timed, and on what -> variant -> its figures


class Timings:
    """The speeds of variants on this machine, remembered in one file."""

    def __init__(self, path: Path) -> None:
        """Read the file, if it is there; a damaged one is as good as none."""
        self._path = path
        try:
            self._known = msgspec.json.decode(path.read_bytes(), type=_Known)
        except (OSError, ValueError, RecursionError):
            self._known = {}

    def get(self, key: str, variants: Collection[str]) -> Mapping[str, Times] | None:
        """Return the figures of these variants, if all of them are known."""
        found = self._known.get(key, {})
        return found if all(map(found.get, variants)) else None

    def put(self, key: str, times: dict[str, Times]) -> None:
        """Keep figures; where the disk refuses, the next start measures again."""
        self._known[key] = times
        new = self._path.with_name(f".{self._path.name}.new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            new.write_bytes(msgspec.json.format(msgspec.json.encode(self._known), indent=1))
            durable.put(new, self._path)
        except OSError as error:
            logger.warning("%s cannot be written (%s): the next start times the variants again", self._path, error)


def choose(
    bundle: Bundle,
    asked: str,
    provider: Provider,
    made_with: Collection[str],
    timings: Timings,
    load: Callable[[str], Run],
) -> str:
    """Return the variant to run, and log a warning where the gate's verdict does not cover it.

    Args:
        bundle: what to choose from.
        asked: a variant's name, or auto.
        provider: the execution provider, as the settings name it.
        made_with: fingerprints of the collections that are there.
        timings: what is known of this machine.
        load: gives a variant's runs, for it to be timed.

    Raises:
        BundleError: no variant of the bundle passed for this provider.
    """
    name = asked if asked != AUTO else _automatic(bundle, provider, made_with, timings, load)
    if name in bundle.manifest.variants:
        for doubt in _doubts(bundle.manifest, name, provider):
            logger.warning("%s of %s %s", name, bundle.path, doubt)
    return name


def _doubts(manifest: Manifest, name: str, provider: Provider) -> list[str]:
    """Return why a variant's results may be further from fp32's than its gate allows."""
    found = []
    if missed := manifest.variants[name].missed:
        found.append(f"failed its gate: {missed}")
    # onnxruntime's own kernels can add up in more bits, see `Target.unsaturated`.
    if name.startswith("int8") and provider != "cpu" and cores.saturates_here(manifest.processor):
        found.append("was judged where sums of int8 products do not saturate; here they do, so export it here")
    return found


def _automatic(
    bundle: Bundle,
    provider: Provider,
    made_with: Collection[str],
    timings: Timings,
    load: Callable[[str], Run],
) -> str:
    """Return the variant that the collections were made with, else the fastest that passed."""
    variants = bundle.manifest.variants
    for name in variants:
        # Even if it failed its gate: any other would be refused beside these vectors.
        if bundle.manifest.fingerprint(name) in made_with:
            return name
    names = passed(bundle, provider)
    if len(names) == 1:
        return names[0]
    times = _times(bundle, names, provider, timings, load)
    return min(names, key=lambda name: variant_timings.typical(times[name]))


def runnable(manifest: Manifest, provider: Provider) -> list[str]:
    """Return the variants that are for a provider and that it can run on this machine."""
    return [
        name
        for name, one in manifest.variants.items()
        if provider in one.providers and not providers.lacks(provider, one.precision)
    ]


def passed(bundle: Bundle, provider: Provider) -> list[str]:
    """Return the variants that a provider can run and that passed the gate.

    Raises:
        BundleError: there is none.
    """
    variants = bundle.manifest.variants
    names = [name for name in runnable(bundle.manifest, provider) if variants[name].passed]
    if not names:
        raise BundleError(
            f"bundle {bundle.path} has no variant for provider {provider} that passed its gate: it has"
            f" {', '.join(variants)}; export it with such a --variants, or name one of these"
        )
    return names


def _times(
    bundle: Bundle,
    names: list[str],
    provider: Provider,
    timings: Timings,
    load: Callable[[str], Run],
) -> Mapping[str, Times]:
    manifest = bundle.manifest
    exported = {name: manifest.variants[name].ns_per_token for name in names}
    measured_here = all(manifest.variants[name].measured_on == provider for name in names)
    same = provider == "cpu" and measured_here and manifest.processor == cores.processor()
    if same and all(exported.values()):
        return exported
    # What decides a time: the graphs' bytes, and what runs them; bf16 has fp32's bytes, so the names count too.
    graphs = ",".join(f"{name} {manifest.variants[name].files[0].sha256[:12]}" for name in names)
    key = f"{cores.processor()} | {provider} | onnxruntime {ort.__version__} | {graphs}"
    known = timings.get(key, names)
    if known is None:
        logger.info("%s was not timed on this processor and provider: timing %s", bundle.path, ", ".join(names))
        known = variant_timings.measure({name: load(name) for name in names}, manifest.max_tokens)
        timings.put(key, known)
    return known
