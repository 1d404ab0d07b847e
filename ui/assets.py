"""The files of the pages, by name; the page of the HTTP API is in `reference/`. Knows nothing of HTTP."""

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


def files(folder: str = "") -> dict[str, bytes]:
    """Return what every file of a page holds, by the folder that it is in."""
    found = resources.files(__package__).joinpath(folder)
    return {one.name: one.read_bytes() for one in found.iterdir() if suffix(one.name) in MEDIA_TYPES}
