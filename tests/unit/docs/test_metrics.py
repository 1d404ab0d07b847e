"""The metrics that the server has are those that docs, dashboard and alerts name, with the labels that they name."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from prometheus_client import Counter, Histogram
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics import MetricWrapperBase

import monitored
from shortlist.server.app import Components
from shortlist.server.inference.watchdog import Watchdog
from shortlist.server.observing.metrics import Metrics
from shortlist.server.observing.state import State

OPERATIONS = Path(__file__).parents[3] / "docs" / "operations.md"
OF_PROMETHEUS = {"job", "instance", "le"}
OF_THE_PROCESS = {
    f"process_{name}"
    for name in (
        "cpu_seconds_total",
        "max_fds",
        "open_fds",
        "resident_memory_bytes",
        "start_time_seconds",
        "virtual_memory_bytes",
    )
}


@pytest.fixture
def families(components: Components) -> Mapping[str, tuple[str, set[str]]]:
    """Return each family of a server by the name that docs have it by: its kind, and its labels."""
    metrics = Metrics(
        components.pipeline, components.scheduler, Watchdog(components.scheduler, components.pipeline.probe)
    )
    found: dict[str, tuple[str, set[str]]] = {}
    for collector in metrics._registry._collector_to_names:  # what no call touched has no sample to tell its labels
        if isinstance(collector, MetricWrapperBase):
            told = [(collector._name, collector)]
        else:
            told = [(one.name, one) for one in collector.collect()] if isinstance(collector, State) else []
        for name, one in told:
            counts = isinstance(one, Counter | CounterMetricFamily)
            kind = "histogram" if isinstance(one, Histogram | HistogramMetricFamily) else ""
            found[f"{name}_total" if counts else name] = (kind, set(one._labelnames))
    return found


def samples(families: Mapping[str, tuple[str, set[str]]]) -> dict[str, set[str]]:
    """Return the labels of each name that an expression may read."""
    found = {name: set[str]() for name in OF_THE_PROCESS}
    for name, (kind, labels) in families.items():
        for end in ("_bucket", "_sum", "_count") if kind else ("",):
            found[name + end] = labels
    return found


def test_the_table_of_metrics(families: Mapping[str, tuple[str, set[str]]]):
    """Each has a row with its labels; a histogram is called one; what there is not has none."""
    table = OPERATIONS.read_text(encoding="utf-8").partition("\n## Metrics\n")[2].partition("\n## ")[0]
    documented: dict[str, tuple[str, set[str]]] = {}
    for names, told in re.findall(r"^\| (`shortlist_[^|]*) \| ([^|]*) ?\|", table, re.MULTILINE):
        named = {label for part in told.split(";") for label in re.findall(r"`(\w+)`", part.partition(":")[0])}
        kinds = re.findall(r"`(shortlist_\w+)`( \(histogram\))?", names)
        documented |= {name: (kind.strip(" ()"), named) for name, kind in kinds}
    assert "`shortlist_info`" in table
    assert documented == {name: told for name, told in families.items() if name != "shortlist_info"}


def test_the_dashboard_shows_all_that_there_is(families: Mapping[str, tuple[str, set[str]]]):
    """Each metric is in a panel, and each panel reads what there is, by labels that it has."""
    known, read = samples(families), set[str]()
    for title, expression in monitored.panels():
        names = monitored.metrics(expression)
        assert names, title
        assert names <= set(known), title
        assert monitored.labels(expression) <= OF_PROMETHEUS.union(*(known[name] for name in names)), title
        read |= names
    shown = {re.sub(r"_(bucket|sum|count)$", "", name) for name in read}
    assert set(families) <= shown


def test_alerts_tell_of_what_there_is(families: Mapping[str, tuple[str, set[str]]]):
    """Each alert reads what there is, by labels that it has, and names a part of the docs; each has its test."""
    known = samples(families)
    headings = re.findall(r"^#+ (.*)$", OPERATIONS.read_text(encoding="utf-8"), re.MULTILINE)
    anchors = {heading.lower().replace(" ", "-") for heading in headings}
    tested = (monitored.FOLDER / "alerts_test.yaml").read_text(encoding="utf-8")
    for alert in monitored.alerts():
        names = monitored.metrics(alert["expr"])
        assert names <= set(known), alert["alert"]
        assert monitored.labels(alert["expr"]) <= OF_PROMETHEUS.union(*(known[name] for name in names))
        assert alert["annotations"]["page"] in anchors
        assert f'alertname="{alert["alert"]}"' in tested
