"""What ends a command early."""


class UsageError(Exception):
    """What was given and cannot be used: one line on standard error, exit code 2."""
