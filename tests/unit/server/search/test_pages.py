"""Page tokens: each leads to its place, in its own collection, and nothing else is taken for one."""

from pathlib import Path

import numpy as np
import pytest

from shortlist.server.errors import InvalidRequest
from shortlist.server.search import pages
from shortlist.server.storage.catalog import Catalog
from shortlist.server.storage.document import Document, Origin
from shortlist.server.storage.listing import Page

ORIGIN = Origin("model (fp32)", "f00d", 2)


def test_a_token_is_its_collection_s(tmp_path: Path):
    """A token holds over a restart, and neither for another collection nor for one that was made again."""
    catalog = Catalog(tmp_path, ORIGIN)
    papers, other = (catalog.create(name, exist_ok=False)[0] for name in ("papers", "other"))
    papers.upsert([Document("a", "text")], np.ones((1, 2), np.float32), [1])
    ((seq, _),), _ = papers.page(Page(size=1, most_bytes=1000))
    token = pages.token(papers, seq)
    assert (pages.after(papers, token), pages.after(papers, "")) == (seq, 0)
    with pytest.raises(InvalidRequest, match=r"page_token: got .* that List gave for this collection; begin with"):
        pages.after(other, token)
    catalog.close()
    catalog = Catalog(tmp_path, ORIGIN)
    assert pages.after(catalog.get("papers"), token) == seq
    catalog.drop("papers")
    again, _ = catalog.create("papers", exist_ok=False)
    with pytest.raises(InvalidRequest):
        pages.after(again, token)
    catalog.close()


@pytest.mark.parametrize("given", ["x", "1", "-", "1-", "-1", "9" * 30, "1-0123456789ab", "\u0661-0", " 1"])
def test_what_is_no_token(tmp_path: Path, given: str):
    """What List never gave is refused, numbers among it."""
    catalog = Catalog(tmp_path, ORIGIN)
    papers, _ = catalog.create("papers", exist_ok=False)
    with pytest.raises(InvalidRequest, match="page_token"):
        pages.after(papers, given)
    catalog.close()
