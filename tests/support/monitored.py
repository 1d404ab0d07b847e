"""What `monitoring/` asks Prometheus for: the expressions of the dashboard's panels and of the alerts."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import yaml

FOLDER = Path(__file__).parents[2] / "monitoring"
DASHBOARD, ALERTS = FOLDER / "dashboard.json", FOLDER / "alerts.yaml"


def panels() -> Iterator[tuple[str, str]]:
    """Yield title and expression of each query of the dashboard, with Grafana's variables filled in."""
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"].replace("$__rate_interval", "1m").replace("$instance", ".*")


def alerts() -> Iterator[dict]:
    """Yield each alert."""
    for group in yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]:
        yield from group["rules"]


def metrics(expression: str) -> set[str]:
    """Return the metrics that an expression reads."""
    return set(re.findall(r"\b(?:shortlist|process)_\w+", expression))


def labels(expression: str) -> set[str]:
    """Return the labels that an expression names."""
    grouped = re.findall(r"\b(?:by|on|without) \(([^)]*)\)", expression)
    return {name.strip() for names in grouped for name in names.split(",") if name.strip()} | set(
        re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", expression)
    )
