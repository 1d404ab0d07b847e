"""What can be set about `shortlist tune`: the models, as serve takes them, and where the result goes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from shortlist.server.errors import SettingsError
from shortlist.server.settings import ModelSettings, Settings, within


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneSettings(ModelSettings):
    """The settings of `shortlist tune`."""

    data: Path = Path("data")
    """folder that holds the collections, or will; those in it keep the embedder's variant"""
    reranker_variant: str = "auto"
    """variant of the reranker's bundle to run; auto: all that passed their gate are tried"""
    measure_s: Annotated[float, within(0.01, 600)] = 1.5
    """seconds that measuring one arrangement once takes, about; more make it steadier"""
    out: Path = Path("shortlist.toml")
    """settings file to write"""
    force: bool = False
    """replace that file, all of it, if it is there"""
    json: bool = False
    """print the result as one JSON object"""

    def __post_init__(self) -> None:
        """Refuse paths that no file can have.

        Raises:
            SettingsError: naming the setting, its value and the limit.
        """
        ModelSettings.__post_init__(self)  # a dataclass with slots is not the class that super() would look for
        if "\0" in str(self.out):
            raise SettingsError(f"out is {str(self.out)!r}, but it must not hold a NUL")

    def serve(self) -> Settings:
        """Return the settings of a server that is given the same, and nothing else.

        Paths are absolute: the server need not start in this folder.
        """
        return Settings(
            embedder=self.embedder.absolute(),
            reranker=self.reranker.absolute(),
            data=self.data.absolute(),
            embedder_variant=self.embedder_variant,
            reranker_variant=self.reranker_variant,
            provider=self.provider,
            provider_options=self.provider_options,
        )
