"""A command with one setting of every type."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from shortlist.server.settings import Pairs, within


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One setting of every type."""

    name: Annotated[str, Parameter(metavar="TEXT")]
    """whom to greet"""
    port: Annotated[int, within(0, 65_535)] = 50051
    """100% of the port"""
    margin_ms: float = 10.0
    """how long before"""
    create: bool = True
    """make it"""
    data: Path = Path("data")
    """folder"""
    mode: Literal["auto", "dense"] = "auto"
    """which stages"""
    top_k: Annotated[int | None, Parameter(group="Limits")] = None
    """hits"""
    variants: tuple[str, ...] = ("fp32",)
    """graphs"""
    clients: Annotated[tuple[int, ...], within(1)] = ()
    """how many"""
    extra: Pairs = field(default_factory=dict)
    """options"""
