"""Two readings of a server's metrics, and what happened between them. Pure functions of Prometheus's text."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from prometheus_client.parser import text_string_to_metric_families

Labels: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """The metrics at a moment, by name and labels."""

    at_s: float  # of the wall clock
    values: Mapping[str, Mapping[Labels, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, text: str, at_s: float) -> "Reading":
        """Read Prometheus's text.

        Raises:
            ValueError: it is none.
        """
        values: dict[str, dict[Labels, float]] = {}
        for family in text_string_to_metric_families(text):
            for one in family.samples:
                values.setdefault(one.name, {})[tuple(sorted(one.labels.items()))] = one.value
        return cls(at_s, values)

    def at_its_start(self) -> "Reading":
        """Return what the server's first moment was like: nothing was counted."""
        return Reading(self.value("process_start_time_seconds"))

    def value(self, name: str, **labels: str) -> float:
        """Return the sum of a metric over all samples that have these labels."""
        return sum(found for told, found in self.values.get(name, {}).items() if labels.items() <= dict(told).items())

    def labels(self, name: str, *wanted: str) -> list[tuple[str, ...]]:
        """Return the values that labels have in a metric's samples, each combination once."""
        return sorted({tuple(dict(told)[label] for label in wanted) for told in self.values.get(name, {})})


@dataclass(frozen=True, slots=True)
class Interval:
    """What happened between two readings; a server that was started anew in between began at nothing."""

    old: Reading
    new: Reading

    @property
    def seconds(self) -> float:
        """Return how long it was."""
        return max(1e-9, self.new.at_s - self.old.at_s)

    def increase(self, name: str, **labels: str) -> float:
        """Return by how much a counter grew."""
        before, after = self.old.value(name, **labels), self.new.value(name, **labels)
        return after - before if after >= before else after

    def rate(self, name: str, **labels: str) -> float:
        """Return by how much a counter grew a second."""
        return self.increase(name, **labels) / self.seconds

    def ratio(self, over: str, under: str, **labels: str) -> float | None:
        """Return one counter's growth over another's; None where that did not grow."""
        below = self.increase(under, **labels)
        return self.increase(over, **labels) / below if below else None

    def quantile(self, name: str, share: float, **labels: str) -> float | None:
        """Return below which bucket's end a share of a histogram lies; None where nothing was counted.

        The end itself, not a value between two ends: a few calls are no distribution.
        """
        ends = sorted({dict(told)["le"] for told in self.new.values.get(f"{name}_bucket", {})}, key=float)
        whole = self.increase(f"{name}_count", **labels)
        if not whole:
            return None
        for end in ends:
            if self.increase(f"{name}_bucket", le=end, **labels) >= share * whole:
                return float(end)
        return math.inf
