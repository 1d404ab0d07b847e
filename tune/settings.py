"""What can be set about `shortlist tune`: what serve takes of the same name, and where the result goes.

`console/options.py` reads it, as `server/settings.py`.
"""

from dataclasses import dataclass, field, fields
from pathlib import Path

from shortlist.server.errors import SettingsError, check_range
from shortlist.server.settings import Provider, Settings

_SERVE = Settings()
_METADATA = {one.name: one.metadata for one in fields(Settings)}
_LEAST_S, _MOST_S = 0.01, 600


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneSettings:
    """The settings of `shortlist tune`."""

    embedder: Path = field(default=_SERVE.embedder, metadata=_METADATA["embedder"])
    reranker: Path = field(default=_SERVE.reranker, metadata=_METADATA["reranker"])
    data: Path = field(
        default=Path("data"),
        metadata={"help": "folder that holds the collections, or will; those in it keep the embedder's variant"},
    )
    embedder_variant: str = field(default=_SERVE.embedder_variant, metadata=_METADATA["embedder_variant"])
    reranker_variant: str = field(
        default="auto",
        metadata={"help": "variant of the reranker's bundle to run; auto: all that passed their gate are tried"},
    )
    provider: Provider = field(default=_SERVE.provider, metadata=_METADATA["provider"])
    provider_options: tuple[tuple[str, str], ...] = field(
        default=(),
        metadata={
            "help": "options of the provider, by onnxruntime's names, such as device_id=1; in a TOML file a table"
            " [tune.provider_options]"
        },
    )
    measure_s: float = field(
        default=1.5,
        metadata={"help": "seconds that measuring one arrangement once takes, about; more make it steadier"},
    )
    out: Path = field(default=Path("shortlist.toml"), metadata={"help": "settings file to write"})
    force: bool = field(default=False, metadata={"help": "replace that file, all of it, if it is there"})
    json: bool = field(default=False, metadata={"help": "print the result as one JSON object"})

    def __post_init__(self) -> None:
        """Refuse what serve would refuse.

        Raises:
            SettingsError: naming the setting, its value and the limit.
        """
        self.serve()
        check_range("measure_s", self.measure_s, _LEAST_S, _MOST_S)
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
