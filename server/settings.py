"""What can be set about a server: one definition for flag, environment variable and TOML key.

The field's name is the flag (`--queue-tokens`), the variable (`SHORTLIST_QUEUE_TOKENS`) and the key
(`queue_tokens` under `[serve]`); the docstring below it is the help text. `console/command_line.py` reads
it and holds it to its range; this module knows neither the command line nor the environment.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from .errors import SettingsError

_MOST_BYTES = 2**31 - 1  # of a gRPC message
_MOST_THREADS = 1024
_MOST_DOCUMENTS = 1_000_000  # in one call
_A_DAY_S = 86_400
MAX_MARGIN = 2.0  # the largest difference of two cosines
MAX_SIMILARITY_WEIGHT = 100  # logits; with more, the similarity alone would decide
_UNIX = "unix:"
_MOST_PATH_BYTES = 107  # of a socket on Linux (sun_path, less the NUL)

Provider = Literal["cpu", "openvino", "cuda", "tensorrt"]
Pairs = Annotated[dict[str, str], Parameter(n_tokens=-1, metavar="NAME=VALUE,NAME=VALUE")]


class _Range(Number):
    """A range; where a value is outside, cyclopts' own validator names one end alone."""

    def __call__(self, type_: Any, value: Any) -> None:
        """Raise ValueError where a value is outside."""
        try:
            super().__call__(type_, value)
        except ValueError:
            ends = f"{self.gte} or more" if self.lte is None else f"{self.gte} to {self.lte}"
            raise ValueError(f"Must be {ends}.") from None


def within(least: float, most: float | None = None) -> Parameter:
    """Return what marks a setting, or each value of a list, that has a range."""
    return Parameter(validator=_Range(gte=least, lte=most))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """The models of a server, and what they run on."""

    embedder: Path = Path("bundles/embedder")
    """bundle of the dual encoder (stage one)"""
    reranker: Path = Path("bundles/reranker")
    """bundle of the cross-encoder (stage two)"""
    late_interaction: Annotated[Path | None, Parameter(metavar="BUNDLE")] = None
    """bundle of a late-interaction model (ColBERT), which orders candidates between the two stages, and which Rerank
    takes by its name; default: none"""
    data: Path = Path("data")
    """folder that holds the collections; made if it is not there"""
    embedder_variant: str = "auto"
    """variant of the embedder's bundle to run; auto: the one that the collections were made with, else the fastest
    on this machine that passed its gate"""
    reranker_variant: str = "auto"
    """variant of the reranker's bundle to run; auto: the fastest on this machine that passed its gate"""
    late_interaction_variant: str = "auto"
    """variant of the late-interaction model's bundle to run; auto: the one that the collections' token vectors were
    made with, else the fastest on this machine that passed its gate"""
    provider: Provider = "cpu"
    """execution provider; one that is not installed stops the start, it is never replaced"""
    provider_options: Pairs = field(default_factory=dict)
    """options of the provider, by onnxruntime's names, such as device_id=1; in a TOML file a table of its
    own"""

    def __post_init__(self) -> None:
        """Refuse paths that no file can have.

        Raises:
            SettingsError: naming the setting and its value.
        """
        for name in ("embedder", "reranker", "late_interaction", "data"):
            _check_path(name, getattr(self, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(ModelSettings):
    """The settings of one server."""

    host: str = "127.0.0.1"
    """address to listen on; 0.0.0.0 for every interface; unix:PATH for a Unix socket, which has no port. One that
    other machines can reach wants TLS, and keys or certificates of callers"""
    port: Annotated[int, within(0, 65_535)] = 50051
    """port to listen on; 0 takes a free one and prints it"""
    metrics_port: Annotated[int, within(0, 65_535)] = 0
    """port of http://HOST:PORT/metrics, in Prometheus's format; 0: none"""
    http_port: Annotated[int, within(0, 65_535)] = 0
    """port of http://HOST:PORT, which has the APIs that the clients of other servers speak (extra http); 0: none"""
    tei_model: Literal["embedder", "reranker"] = "embedder"
    """which of the two models the face of text-embeddings-inference speaks for where that knows one alone: Info and
    /info, and the tokens of Tokenize and Decode; /embedder/info and /reranker/info tell of either"""
    ui: Literal["auto", "on", "off"] = "auto"
    """the page at http://HOST:PORT/ui/ that shows both stages of a search and keeps judgements; auto: where HTTP
    listens on a loopback address, to callers by a loopback name; on: everywhere, and whoever reaches it may judge"""
    reflection: Literal["auto", "on", "off"] = "auto"
    """gRPC's reflection, and /openapi.json and /docs/ over HTTP, which describe the API; auto: to whom has a key,
    where there are keys; on: to everyone; off: to nobody"""
    key_file: Annotated[Path | None, Parameter(metavar="FILE")] = None
    """file of the keys that callers may come with, a line each, which `shortlist key new` makes; read again when it
    changes. With any key, calls want one; health is outside of that"""
    keys: Annotated[tuple[str, ...], Parameter(metavar="LINE,LINE")] = ()
    """more of the same lines, such as from the environment"""
    tls_certificate: Annotated[Path | None, Parameter(metavar="PEM")] = None
    """the server's certificate, and those between it and its authority: gRPC and HTTP are then served over TLS
    alone; read again when it changes"""
    tls_key: Annotated[Path | None, Parameter(metavar="PEM")] = None
    """the certificate's private key, not encrypted"""
    tls_client_ca: Annotated[Path | None, Parameter(metavar="PEM")] = None
    """authorities' certificates: callers must come with a certificate that one of them signed (mutual TLS), health
    checks too"""
    insecure: bool = False
    """listen where other machines can reach the server without TLS, or without keys"""
    slots: Annotated[int, within(0, _MOST_THREADS)] = 0
    """runs that go on at once; 0: one a core that cgroup and affinity grant (GPU: 1)"""
    threads: Annotated[int, within(1, _MOST_THREADS)] = 1
    """threads that one run uses"""
    batch_tokens: Annotated[int, within(0, 2**31 - 1)] = 0
    """padded tokens that one run may stack, on CPUs of items of one length; 1: one item a run; 0: 192 on cpu, 512
    on openvino, 16384 on GPUs"""
    other_embedders: Annotated[tuple[Path, ...], Parameter(metavar="BUNDLE,BUNDLE")] = ()
    """bundles of further dual encoders, for collections that were made with them; one that `shortlist reindex`
    brought is found where it lay, for as long as it lies there"""
    token_pooling: Literal["none", "by-two", "no-vectors"] = "none"  # noqa: S105 (tokens of texts)
    """token vectors of documents in new collections that do not say, where there is a late-interaction model: none:
    one a token; by-two: alike ones in pairs, half the disk; no-vectors: they get none"""
    snapshots: Annotated[Path | None, Parameter(metavar="FOLDER")] = None
    """folder that snapshots are written to and restored from; default: the folder snapshots in the data folder"""
    queue_tokens: Annotated[int, within(1, 2**40)] = 2_000_000
    """tokens that may wait for a slot; beyond it requests get RESOURCE_EXHAUSTED"""
    cache_mb: Annotated[int, within(0, 2**20)] = 64
    """megabytes for vectors of queries and scores of (query, document version) that may be asked for again, divided
    among the models; 0: nothing is kept"""
    default_deadline_s: Annotated[float, within(0.001, 30 * _A_DAY_S)] = 30.0
    """deadline, in seconds, of a call that brings none"""
    deadline_margin_ms: Annotated[float, within(0, 1000 * _A_DAY_S)] = 15.0
    """how long before a call's deadline its work stops, to have time to answer: this, or a twentieth of the time
    that the call has, whichever is more"""
    admit_share: Annotated[float, within(0.1, 1)] = 0.8
    """share of the time to a call's deadline that its work, and what waits before it, may be expected to take;
    beyond that the call is refused with RESOURCE_EXHAUSTED and the time to come back"""
    auto_rerank_all: Annotated[int, within(0, _MOST_DOCUMENTS)] = 500
    """largest collection of which mode auto takes all documents for candidates"""
    auto_budget_ms: Annotated[float, within(1, 1000 * _A_DAY_S)] = 800.0
    """milliseconds that stage two may be expected to take on an idle server, in a search whose caller named no
    candidates; it reads as many of them as fit, 10 at least"""
    margin: Annotated[float, within(0, MAX_MARGIN)] = 0.2
    """how far behind the best candidate's cosine stage two still reads, in a search whose caller named no
    candidates; it reads top_k at least; 2: all"""
    recall_samples: Annotated[float, within(0, 1)] = 0.005
    """share of the searches of a collection of over 50,000 documents that is done again exactly, in the background,
    to measure and hold its recall; the first ones after a start are in any case; 0: none is"""
    walk_ms: Annotated[float, within(0.1, 60_000)] = 10.0
    """milliseconds of a core that a search may take in the index, where that is walked more widely to meet a
    collection's recall target"""
    compare_fp32: bool = False
    """also compare these samples, and the first 16 searches, with the fp32 graphs of the bundles, which are loaded
    for that: as much memory again as the models have in fp32"""
    max_top_k: Annotated[int, within(1, _MOST_DOCUMENTS)] = 1000
    """largest top_k of a request"""
    max_candidates: Annotated[int, within(1, _MOST_DOCUMENTS)] = 1000
    """largest candidates of a request, and largest collection to rerank whole"""
    max_batch: Annotated[int, within(1, _MOST_DOCUMENTS)] = 1000
    """most documents, texts or ids in one call"""
    max_text_bytes: Annotated[int, within(1, _MOST_BYTES)] = 1 << 20
    """largest text, in bytes of UTF-8"""
    max_request_bytes: Annotated[int, within(1024, _MOST_BYTES)] = 64 << 20
    """largest request, in bytes"""
    drain_s: Annotated[float, within(0, _A_DAY_S)] = 10.0
    """seconds that calls in flight get to finish after SIGTERM"""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """least severe messages to log on standard error"""
    log_format: Literal["plain", "json"] = "plain"
    """lines for people, or a JSON object a line; either names the request that a line is about"""
    slow_ms: Annotated[float, within(0, 1000 * _A_DAY_S)] = 0.0
    """calls that take this many milliseconds or more are logged, with where their time went; 0: none"""
    traces: str = ""
    """collector that traces go to, by OTLP over gRPC, such as http://127.0.0.1:4317 (extra otel); empty: none. What
    share of them is OTEL_TRACES_SAMPLER's matter"""

    def __post_init__(self) -> None:
        """Refuse values that could never be served.

        Raises:
            SettingsError: naming the setting, its value and the limit.
        """
        ModelSettings.__post_init__(self)  # a dataclass with slots is not the class that super() would look for
        _check_host(self.host)
        for name in ("snapshots", "key_file", "tls_certificate", "tls_key", "tls_client_ca"):
            _check_path(name, getattr(self, name))
        if (self.tls_certificate is None) != (self.tls_key is None) or (self.tls_client_ca and not self.tls_key):
            raise SettingsError("TLS wants tls_certificate and tls_key, and tls_client_ca wants both; give them")
        for path in self.other_embedders:
            _check_path("other_embedders", path)
        if 0 < self.http_port in {self.port, self.metrics_port}:
            raise SettingsError(
                f"http_port is {self.http_port}, but gRPC or the metrics have that port; give each its own"
            )
        if self.traces and not self.traces.startswith(("http://", "https://")):
            raise SettingsError(
                f"traces is {self.traces!r}, but it must be http://HOST:PORT, or https: an OpenTelemetry collector"
            )
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


def _check_path(name: str, path: Path | None) -> None:
    if "\0" in str(path):
        raise SettingsError(f"{name} is {str(path)!r}, but it must not hold a NUL")


def _check_host(host: str) -> None:
    """Refuse what is no host, with a message that fits what was probably meant.

    Raises:
        SettingsError: it is an address with a port, a URL, or a path that no socket can have.
    """
    if "\0" in host or not host:
        raise SettingsError(f"host is {host!r}, but it must not be empty or hold a NUL")
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
