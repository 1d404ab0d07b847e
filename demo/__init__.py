"""`make demo`: the whole path on the documentation of Python's own standard library."""
