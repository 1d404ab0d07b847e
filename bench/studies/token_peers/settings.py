"""What can be set about a comparison: one definition for flag, environment variable and TOML key."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from shortlist.server import cores
from shortlist.server.errors import SettingsError
from shortlist.server.settings import within


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPeersSettings:
    """The settings of one comparison."""

    model: Path
    """folder of a late-interaction model in the layout of Stanford's ColBERT, which all read"""
    late_interaction: Path
    """bundle that was exported from it"""
    embedder: Path
    """bundle of the dual encoder that Shortlist's candidates come from"""
    collection: Path
    """folder with corpus and queries (BEIR): what is indexed and searched"""
    pylate: Path = Path(".venv-pylate/bin/python")
    """Python of the environment that has PyLate"""
    colbert: Path = Path(".venv-colbert/bin/python")
    """Python of the environment that has Stanford's colbert-ai"""
    variants: Annotated[tuple[str, ...], Parameter(metavar="NAME,NAME")] = ("int8-token", "fp32")
    """graphs that Shortlist runs, one after another; the peers compute in fp32"""
    threads: Annotated[int, within(1)] = cores.usable()
    """of each participant; where other work runs beside, 1: threads that wait for each other in PyTorch spin"""
    passages: Annotated[int, within(100)] = 2000
    """of the collection that are indexed, from all over it"""
    queries: Annotated[int, within(1)] = 50
    """asked in a round, of each kind of question"""
    rounds: Annotated[int, within(1)] = 3
    """times that all take their turn"""

    def __post_init__(self) -> None:
        """Refuse what compares nothing.

        Raises:
            SettingsError: naming the setting.
        """
        if not self.variants:
            raise SettingsError("variants is empty; name some of the bundle's, such as int8-token,fp32")
