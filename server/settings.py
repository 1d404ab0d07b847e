"""What can be set about a server: one definition for flag, environment variable and TOML key.

The field's name is the flag (`--queue-tokens`), the variable (`SHORTLIST_QUEUE_TOKENS`) and the key
(`queue_tokens` under `[serve]`); its metadata is the help text. `console/options.py` does the reading; this module
knows neither the command line nor the environment.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from .errors import SettingsError, check_range

_MOST_BYTES = 2**31 - 1  # of a gRPC message
_MOST_THREADS = 1024
_MOST_DOCUMENTS = 1_000_000  # in one call
_A_DAY_S = 86_400
MAX_MARGIN = 2.0  # the largest difference of two cosines
_UNIX = "unix:"
_MOST_PATH_BYTES = 107  # of a socket on Linux (sun_path, less the NUL)
_RANGES: dict[str, tuple[float, float]] = {
    "port": (0, 65_535),
    "slots": (0, _MOST_THREADS),
    "threads": (1, _MOST_THREADS),
    "batch_tokens": (0, 2**31 - 1),
    "queue_tokens": (1, 2**40),
    "cache_mb": (0, 2**20),
    "metrics_port": (0, 65_535),
    "default_deadline_s": (0.001, 30 * _A_DAY_S),
    "deadline_margin_ms": (0, 1000 * _A_DAY_S),
    "admit_share": (0.1, 1),
    "auto_rerank_all": (0, _MOST_DOCUMENTS),
    "auto_budget_ms": (1, 1000 * _A_DAY_S),
    "margin": (0, MAX_MARGIN),
    "max_top_k": (1, _MOST_DOCUMENTS),
    "max_candidates": (1, _MOST_DOCUMENTS),
    "max_batch": (1, _MOST_DOCUMENTS),
    "max_text_bytes": (1, _MOST_BYTES),
    "max_request_bytes": (1024, _MOST_BYTES),
    "drain_s": (0, _A_DAY_S),
}

Provider = Literal["cpu", "openvino", "cuda", "tensorrt"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one server."""

    embedder: Path = field(
        default=Path("bundles/embedder"), metadata={"help": "bundle of the dual encoder (stage one)"}
    )
    reranker: Path = field(
        default=Path("bundles/reranker"), metadata={"help": "bundle of the cross-encoder (stage two)"}
    )
    data: Path = field(
        default=Path("data"), metadata={"help": "folder that holds the collections; made if it is not there"}
    )
    host: str = field(
        default="127.0.0.1",
        metadata={
            "help": "address to listen on; 0.0.0.0 for every interface (there is no authentication); unix:PATH for a"
            " Unix socket, which has no port"
        },
    )
    port: int = field(default=50051, metadata={"help": "port to listen on; 0 takes a free one and prints it"})
    metrics_port: int = field(
        default=0,
        metadata={"help": "port of http://HOST:PORT/metrics, in Prometheus's format; 0: none"},
    )
    embedder_variant: str = field(
        default="auto",
        metadata={
            "help": "variant of the embedder's bundle to run; auto: the one that the collections were made with, else"
            " the fastest on this machine that passed its gate"
        },
    )
    reranker_variant: str = field(
        default="auto",
        metadata={
            "help": "variant of the reranker's bundle to run; auto: the fastest on this machine that passed its gate"
        },
    )
    provider: Provider = field(
        default="cpu",
        metadata={"help": "execution provider; one that is not installed stops the start, it is never replaced"},
    )
    provider_options: tuple[tuple[str, str], ...] = field(
        default=(),
        metadata={
            "help": "options of the provider, by onnxruntime's names, such as device_id=1; in a TOML file a table"
            " [serve.provider_options]"
        },
    )
    slots: int = field(
        default=0,
        metadata={"help": "runs that go on at once; 0: one a core that cgroup and affinity grant (GPU: 1)"},
    )
    threads: int = field(default=1, metadata={"help": "threads that one run uses"})
    batch_tokens: int = field(
        default=0,
        metadata={
            "help": "padded tokens that one run may stack, on CPUs of items of one length; 1: one item a run;"
            " 0: 192 on cpu, 512 on openvino, 16384 on GPUs"
        },
    )
    queue_tokens: int = field(
        default=2_000_000,
        metadata={"help": "tokens that may wait for a slot; beyond it requests get RESOURCE_EXHAUSTED"},
    )
    cache_mb: int = field(
        default=64,
        metadata={
            "help": "megabytes for vectors of queries and scores of (query, document version) that may be asked for"
            " again; 0: nothing is kept"
        },
    )
    default_deadline_s: float = field(
        default=30.0, metadata={"help": "deadline, in seconds, of a call that brings none"}
    )
    deadline_margin_ms: float = field(
        default=15.0,
        metadata={
            "help": "how long before a call's deadline its work stops, to have time to answer: this, or a twentieth"
            " of the time that the call has, whichever is more"
        },
    )
    admit_share: float = field(
        default=0.8,
        metadata={
            "help": "share of the time to a call's deadline that its work, and what waits before it, may be expected"
            " to take; beyond that the call is refused with RESOURCE_EXHAUSTED and the time to come back"
        },
    )
    auto_rerank_all: int = field(
        default=500,
        metadata={"help": "largest collection of which mode auto takes all documents for candidates"},
    )
    auto_budget_ms: float = field(
        default=800.0,
        metadata={
            "help": "milliseconds that stage two may be expected to take on an idle server, in a search whose caller"
            " named no candidates; it reads as many of them as fit, 10 at least"
        },
    )
    margin: float = field(
        default=0.2,
        metadata={
            "help": "how far behind the best candidate's cosine stage two still reads, in a search whose caller named"
            " no candidates; it reads top_k at least; 2: all"
        },
    )
    max_top_k: int = field(default=1000, metadata={"help": "largest top_k of a request"})
    max_candidates: int = field(
        default=1000,
        metadata={"help": "largest candidates of a request, and largest collection to rerank whole"},
    )
    max_batch: int = field(default=1000, metadata={"help": "most documents, texts or ids in one call"})
    max_text_bytes: int = field(default=1 << 20, metadata={"help": "largest text, in bytes of UTF-8"})
    max_request_bytes: int = field(default=64 << 20, metadata={"help": "largest request, in bytes"})
    drain_s: float = field(
        default=10.0, metadata={"help": "seconds that calls in flight get to finish after SIGTERM"}
    )
    log_level: Literal["debug", "info", "warning", "error"] = field(
        default="info", metadata={"help": "least severe messages to log on standard error"}
    )

    def __post_init__(self) -> None:
        """Refuse values that could never be served.

        Raises:
            SettingsError: naming the setting, its value and the limit.
        """
        for name, (least, most) in _RANGES.items():
            check_range(name, getattr(self, name), least, most)
        for name in ("embedder", "reranker", "data", "host"):
            if "\0" in str(getattr(self, name)) or not str(getattr(self, name)):
                raise SettingsError(f"{name} is {str(getattr(self, name))!r}, but it must not be empty or hold a NUL")
        _check_host(self.host)
        names = [name for name, _ in self.provider_options]
        if repeated := {name for name in names if names.count(name) > 1}:
            raise SettingsError(f"provider_options sets {min(repeated)} twice; leave one of them out")
        if self.max_candidates < self.max_top_k:
            raise SettingsError(
                f"max_candidates is {self.max_candidates}, but max_top_k is {self.max_top_k}, and hits are chosen"
                " from candidates; raise the one or lower the other"
            )
        if self.max_text_bytes > self.max_request_bytes:
            raise SettingsError(
                f"max_text_bytes is {self.max_text_bytes}, but a request holds {self.max_request_bytes} bytes;"
                " raise max_request_bytes or lower max_text_bytes"
            )


def socket_path(host: str) -> Path | None:
    """Return the path of the Unix socket that a host is, as gRPC writes one: unix:PATH or unix:///PATH."""
    return Path(host.removeprefix(_UNIX).removeprefix("//")) if host.startswith(_UNIX) else None


def _check_host(host: str) -> None:
    """Refuse what is no host, with a message that fits what was probably meant.

    Raises:
        SettingsError: it is an address with a port, a URL, or a path that no socket can have.
    """
    if host.startswith(_UNIX):
        path = host.removeprefix(_UNIX)
        is_relative = path.startswith("//") and not path.startswith("///")  # a URL's path is absolute
        if is_relative or not 0 < len(os.fsencode(path.removeprefix("//"))) <= _MOST_PATH_BYTES:
            raise SettingsError(
                f"host is {host!r}, but a Unix socket is unix:PATH or unix:///PATH, with a path of 1 to"
                f" {_MOST_PATH_BYTES} bytes"
            )
        return
    is_ipv6 = host.count(":") > 1 and "[" not in host
    if "/" in host or (":" in host and not is_ipv6):
        raise SettingsError(
            f"host is {host!r}, but it must be an address alone, such as 0.0.0.0, ::1 or unix:PATH; the port is a"
            " setting of its own (--port)"
        )
