"""What the page shows in its tests: the shipped passages, a hostile document, and one that no window holds."""

from shortlist.client import Document
from shortlist.texts import shipped

COLLECTION = "texts"
ENTRIES = shipped.entries()
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"


def documents() -> list[Document]:
    """Return all of them."""
    passages = [
        Document(f"d{number}", entry.text, title=entry.topic, metadata={"topic": entry.topic, "number": number})
        for number, entry in enumerate(ENTRIES)
    ]
    hostile = Document("hostile", f"printing press {HOSTILE}", HOSTILE, {HOSTILE: HOSTILE})
    return [*passages, hostile, Document("long", "The printing press and movable type. " * 200, "a long text")]
