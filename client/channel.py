"""How a channel is set up: message sizes, proxies, dead connections, reconnecting, and what gRPC repeats by itself.

A call is repeated where the same call twice leaves what one would have left: reads, inference, and upsert
and delete, whose documents have ids. What makes or drops collections and snapshots is not: the second would find what
the first made there, or gone. An ingest sends again what was not answered by itself (`ingest.py`): kept here, all of
it would have to be. A server with a full queue says in its answer how long to wait
(`grpc-retry-pushback-ms`) and gRPC waits that long. No retry goes past the call's deadline.

A box in between (NAT, firewall, load balancer, tunnel) may forget a connection without a word. Pings, on idle
connections too, keep it from that, and find out where it did: calls on a dead connection end after `_PING_EVERY_S` +
`_PING_TIMEOUT_S` at most, which leaves a repetition half of the default deadline. A shorter timeout would end large
requests on slow lines, where a ping waits behind megabytes that are on their way. The server allows such pings
(`server/listening.py`); where one does not, gRPC itself sends fewer.
"""

import json

from google.protobuf.message import Message

from . import address, arguments, errors

MAX_MESSAGE_BYTES = 64 << 20
# Far above what a call takes, and far below where gRPC's arithmetic turns a deadline into one that has passed.
MAX_TIMEOUT_S = 30 * 24 * 3600

REPEATED = {
    "shortlist.v1.Retrieval": (
        "SetTokenVectors",
        "ListCollections",
        "Upsert",
        "UpdateMetadata",
        "Delete",
        "Get",
        "List",
        "Count",
        "ListSources",
        "Search",
    ),
    "shortlist.v1.Snapshots": ("ListSnapshots",),
    "shortlist.v1.Reindexes": ("StartReindex", "GetReindex", "CancelReindex"),
    "shortlist.v1.Inference": ("Embed", "Rerank", "Tokenize", "Describe"),
}

_PING_EVERY_S = 5
_PING_TIMEOUT_S = 10

ATTEMPTS = 5  # the most that gRPC allows
_RETRY_POLICY = {
    "maxAttempts": ATTEMPTS,
    "initialBackoff": "0.1s",
    "maxBackoff": "2s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
}


def options(target: str) -> list[tuple[str, str | int]]:
    """Return the arguments of a channel to an address."""
    repeated = [{"service": service, "method": method} for service, methods in REPEATED.items() for method in methods]
    return [
        *plain(target),
        # gRPC keeps 256 KiB of a call to make it again, and makes what is larger once.
        ("grpc.per_rpc_retry_buffer_size", 2 * MAX_MESSAGE_BYTES),
        (
            "grpc.service_config",
            json.dumps({"methodConfig": [{"name": repeated, "retryPolicy": _RETRY_POLICY}]}),
        ),
    ]


def plain(target: str) -> list[tuple[str, str | int]]:
    """Return the arguments of a channel to an address that makes every call once."""
    return [
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        # gRPC's own are 1 s and 2 minutes: too slow for a server on the same network that restarts.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2000),
        ("grpc.keepalive_time_ms", 1000 * _PING_EVERY_S),
        # Two timeouts: this one becomes TCP_USER_TIMEOUT, for bytes that nobody acknowledges, and the next one is the
        # ping's own, for boxes that acknowledge and do not forward. gRPC 1.85 closes no connection by the first.
        ("grpc.keepalive_timeout_ms", 1000 * _PING_TIMEOUT_S),
        ("grpc.http2.ping_timeout_ms", 1000 * _PING_TIMEOUT_S),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),  # 0: as many as a long call takes
        # Else channels to one address share its connection, also with one that has found it dead.
        ("grpc.use_local_subchannel_pool", 1),
        # No proxy leads back to this machine; without this, http_proxy catches calls to 127.0.0.1.
        *([("grpc.enable_http_proxy", 0)] if address.is_local(target) else []),
    ]


def proxy_note(target: str) -> str:
    """Return what to put behind an error of the connection, where calls go through a proxy."""
    variable = address.proxy(target)
    if variable is None:
        return ""
    return (
        f"; the variable {variable} sends calls to {target} through a proxy:"
        " put the host into the variable no_proxy to call it directly"
    )


def check_target(target: object, timeout_s: object) -> tuple[str, float]:
    """Return an address that a server can have, and a deadline by which one could answer.

    Raises:
        InvalidRequest: the address is none, or the deadline is not a time to come.
    """
    checked, deadline_s = address.check(target), check_timeout(timeout_s)
    # A call's own deadline may be 0: nothing is left of its caller's time. That of a client is a mistake.
    if not deadline_s:
        raise _no_time(timeout_s)
    return checked, deadline_s


def check_timeout(timeout_s: object) -> float:
    """Return a deadline that gRPC takes for one that is to come, or for one that has passed where it is 0.

    Raises:
        InvalidRequest: it is less than 0, over 30 days, or not a number.
    """
    deadline_s = arguments.number("timeout_s", timeout_s)
    if deadline_s < 0:
        raise _no_time(timeout_s)
    if deadline_s > MAX_TIMEOUT_S:
        raise errors.invalid("timeout_s", timeout_s, f"{MAX_TIMEOUT_S:,} (30 days) is the most", "give fewer seconds")
    return deadline_s


def _no_time(timeout_s: object) -> errors.InvalidRequest:
    return errors.invalid("timeout_s", timeout_s, "it must be more than 0", "give the seconds that a call may take")


def check_size(request: Message) -> None:
    """Refuse a request that the channel could not send.

    Raises:
        TooLarge: it is over 64 MiB. gRPC would call that RESOURCE_EXHAUSTED, and repeat it.
    """
    size = request.ByteSize()
    if size > MAX_MESSAGE_BYTES:
        raise errors.TooLarge(
            f"request: got {size:,} bytes, but {MAX_MESSAGE_BYTES:,} is the most;"
            " send fewer or shorter texts in one call"
        )
