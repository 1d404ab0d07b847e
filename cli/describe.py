"""`shortlist describe`: what a server runs and holds."""

import dataclasses
from dataclasses import dataclass
from typing import Annotated

from shortlist.client.description import Agreement, Description, ModelDescription
from shortlist.client.types import Collection
from shortlist.console import command_line, output
from shortlist.console.connection import Connection

from . import collections


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeSettings(Connection):
    """The settings of `shortlist describe`."""

    json: bool = False
    """print it as one JSON object"""


@dataclass(frozen=True, slots=True)
class Overview:
    """A server and its collections."""

    server: Description
    collections: tuple[Collection, ...]


COMMAND = command_line.command(
    "describe",
    """\
shortlist describe
shortlist describe --address search.internal:50051 --json | jq .server.embedder.variant""",
)


@COMMAND.default
def run(*, settings: Annotated[DescribeSettings, command_line.FLAT] = DescribeSettings()) -> int:
    """Show what a server runs and holds.

    Show a server's version, its models, the limits it sets on requests, and its collections. It is also the
    quickest way to see whether a server is there: the exit code is 1 if it is not.
    """
    with settings.client() as client:
        overview = Overview(client.describe(), client.list_collections())
    output.write(output.as_json(overview) if settings.json else shown(overview, settings.address))
    return 0


def shown(overview: Overview, address: str) -> str:
    """Return what a server runs and holds as a page of text."""
    server = overview.server
    limits = [f"  {name}: {value:,}" for name, value in dataclasses.asdict(server.limits).items()]
    return "\n".join(
        [
            f"Shortlist {server.version} at {address}",
            f"  {output.counted(server.slots, 'slot')} of {output.counted(server.threads, 'thread')}",
            *_model("embedder", server.embedder),
            *(_model("late interaction", server.late_interaction) if server.late_interaction else []),
            *_model("reranker", server.reranker),
            f"  order of a search: {_order(server.reranker.similarity_weight)}, unless it sets --similarity-weight",
            "limits",
            *limits,
            "",
            collections.shown(overview.collections),
        ]
    )


def _model(role: str, model: ModelDescription) -> list[str]:
    revision = f" at {model.revision}" if model.revision else ""
    dimensions = f", {model.dimensions} dimensions" if model.dimensions else ""
    return [
        f"{role}: {model.source}{revision}",
        f"  {model.variant} on {model.provider}, {model.max_tokens} tokens{dimensions}",
        f"  variants in its bundle: {', '.join(model.variants)}",
        f"  fingerprint: {model.fingerprint}",
        *([f"  beside fp32: {_agreement(model.fp32)}"] if model.fp32 else []),
    ]


def _agreement(found: Agreement) -> str:
    if not found.samples:
        return "nothing compared yet"
    return (
        f"{found.common:.1%} of the first 10 in common, differences up to {found.difference:.3f}"
        f" ({output.counted(found.samples, 'sample')})"
    )


def _order(weight: float) -> str:
    return f"by score and similarity together, weight {weight:g}" if weight else "by score"
