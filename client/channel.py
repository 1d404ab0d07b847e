"""How a client's channel is set up: message sizes, reconnecting, and which calls gRPC repeats by itself.

A call is repeated where the same call twice leaves what one would have left: reads, inference, and upsert
and delete, whose documents have ids. CreateCollection and DropCollection are not: the second would find the
first's collection there, or gone. A server with a full queue says in its answer how long to wait
(`grpc-retry-pushback-ms`) and gRPC waits that long. No retry goes past the call's deadline.
"""

import json

from google.protobuf.message import Message

from shortlist.client import errors

MAX_MESSAGE_BYTES = 64 << 20

REPEATED = {
    "shortlist.v1.Retrieval": ("ListCollections", "Upsert", "Delete", "Get", "List", "Search"),
    "shortlist.v1.Inference": ("Embed", "Rerank", "Tokenize", "Describe"),
}

_RETRY_POLICY = {
    "maxAttempts": 5,  # the most that gRPC allows
    "initialBackoff": "0.1s",
    "maxBackoff": "2s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
}


def options() -> list[tuple[str, str | int]]:
    """Return the arguments of a channel."""
    repeated = [{"service": service, "method": method} for service, methods in REPEATED.items() for method in methods]
    return [
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        # gRPC's own are 1 s and 2 minutes: too slow for a server on the same network that restarts.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2000),
        (
            "grpc.service_config",
            json.dumps({"methodConfig": [{"name": repeated, "retryPolicy": _RETRY_POLICY}]}),
        ),
    ]


def check_size(request: Message) -> None:
    """Refuse a request that the channel could not send.

    Raises:
        InvalidRequest: it is over 64 MiB. gRPC would call that RESOURCE_EXHAUSTED, and repeat it.
    """
    size = request.ByteSize()
    if size > MAX_MESSAGE_BYTES:
        raise errors.InvalidRequest(
            f"request: got {size:,} bytes, but {MAX_MESSAGE_BYTES:,} is the most;"
            " send fewer or shorter texts in one call"
        )
