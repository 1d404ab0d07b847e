"""The files of the page, by name. Knows nothing of HTTP."""

from importlib import resources

PAGE = "index.html"
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def suffix(name: str) -> str:
    """Return how a file's name ends."""
    return name[name.rfind(".") :]


def files() -> dict[str, bytes]:
    """Return what every file of the page holds."""
    folder = resources.files(__package__)
    return {one.name: one.read_bytes() for one in folder.iterdir() if suffix(one.name) in MEDIA_TYPES}
