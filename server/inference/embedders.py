"""The dual encoders that a server runs: one that makes new collections, and those that made the others.

Each has its own graph, costs, cache and jobs, so no run and no vector is of two of them.
Any thread may add one, and look.
"""

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

from shortlist.server.errors import BundleError
from shortlist.server.runtime import bundle
from shortlist.server.runtime.variant_selection import AUTO

from .models import Embedder

logger = logging.getLogger(__name__)

Load = Callable[[Path, str, Collection[str]], Embedder]  # a bundle's path, a variant, fingerprints that auto prefers


class Embedders:
    """Embedders by their fingerprints."""

    def __init__(
        self, load: Load, first: Path, variant: str, others: Iterable[Path], needed: Collection[str]
    ) -> None:
        """Load those that are set.

        Args:
            load: loads one.
            first: the bundle whose embedder makes new collections.
            variant: which of its variants, or auto.
            others: bundles of further ones.
            needed: fingerprints of the embedders that made the collections that are there: auto takes one of these.

        Raises:
            BundleError, ProviderError: a bundle cannot be used.
        """
        self._load = load
        self._needed = needed
        self._loading = threading.Lock()  # else two that ask for one would load it twice
        self.first = load(first, variant, needed)
        self._by_fingerprint = {self.first.fingerprint: self.first}
        self._set = [first, *others]
        for path in others:
            self.add(path, AUTO)
        self._kept = set(self._by_fingerprint)

    def __contains__(self, fingerprint: object) -> bool:
        """Return whether an embedder is there."""
        return fingerprint in self._by_fingerprint

    def __iter__(self) -> Iterator[Embedder]:
        """Return all embedders, the first one first."""
        return iter(list(self._by_fingerprint.values()))

    def __getitem__(self, fingerprint: str) -> Embedder:
        """Return the embedder of this fingerprint, which is there."""
        return self._by_fingerprint[fingerprint]

    def add(self, path: Path, variant: str) -> Embedder:
        """Return a bundle's embedder, which is loaded unless it is there.

        Args:
            path: the bundle's.
            variant: which of its variants; auto: one that is there, else as at a start.

        Raises:
            BundleError, ProviderError: it cannot be used.
        """
        manifest = bundle.load(path, "embedder").manifest
        with self._loading:
            for name in manifest.variants if variant == AUTO else {variant} & manifest.variants.keys():
                if (there := self._by_fingerprint.get(manifest.fingerprint(name))) is not None:
                    return there
            loaded = self._load(path, variant, self._needed)
            return self._by_fingerprint.setdefault(loaded.fingerprint, loaded)

    def find(self, fingerprint: str, recorded: str) -> bool:
        """Return whether an embedder is there, or could be loaded.

        Args:
            fingerprint: its own.
            recorded: the path of the bundle that it was loaded from, as a collection has it; empty: none has.

        Raises:
            BundleError, ProviderError: its bundle is there, and cannot be used.
        """
        for path in (*self._set, *([Path(recorded)] if recorded else [])):
            if fingerprint in self:
                break
            try:
                manifest = bundle.load(path, "embedder").manifest
            except BundleError as error:  # it was moved, or another one is in its place
                logger.warning("%s", error)
                continue
            for name in manifest.variants:
                if manifest.fingerprint(name) == fingerprint:
                    self.add(path, name)
        return fingerprint in self

    def keep(self, needed: Collection[str]) -> None:
        """Forget the embedders that neither a setting nor any of these fingerprints asks for."""
        for fingerprint in set(self._by_fingerprint) - self._kept - set(needed):
            del self._by_fingerprint[fingerprint]
