"""Documents that were refused, by file and line, whoever refused them: the reader here, or the server."""

from dataclasses import dataclass, field

_KEPT = 100


@dataclass(slots=True)
class Refusals:
    """How many documents were refused, the first of them with the reason, and where all came from."""

    count: int = 0
    first: list[str] = field(default_factory=list)
    sources: set[str] = field(default_factory=set)

    def add(self, place: str, source: str, reason: object) -> None:
        """Note a document: the file and line that it is at, what it came from, and why it was refused."""
        self.count += 1
        self.sources.add(source)
        if len(self.first) < _KEPT:
            self.first.append(f"{place}: {reason}")
