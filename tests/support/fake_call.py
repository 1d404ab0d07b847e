"""The one thing of a gRPC call that an RPC asks for: how much time it has left."""


class Call:
    """A call that has so many seconds left; None and infinity where its caller sets no deadline."""

    def __init__(self, left_s: float | None = 100.0) -> None:
        self.left_s = left_s

    def time_remaining(self) -> float | None:
        return self.left_s


CALL = Call()
