"""More work at once than the server's queue takes, so that its refusals reach a client as they would in production.

`make test-clients` starts the server with a queue of QUEUE_TOKENS.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

QUEUE_TOKENS = 15_000
# Longer than any window: together some 8,000 tokens, so that the queue takes one such call, and at most two.
LONG = [" ".join(["server"] * 1000)] * 32
_CALLS = 4


def at_once(call: Callable[[], object]) -> list[Exception]:
    """Make a call several times at once, and return what was raised."""
    with ThreadPoolExecutor(_CALLS) as pool:
        raised = [running.exception() for running in [pool.submit(call) for _ in range(_CALLS)]]
    return [error for error in raised if isinstance(error, Exception)]
