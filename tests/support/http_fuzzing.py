"""Hooks of schemathesis: requests name a collection that is there, so that they come further than NOT_FOUND.

The server is the one at SHORTLIST_HTTP; the collection is made when this is loaded.
"""

import os
from typing import Any

import httpx
import schemathesis

COLLECTION = "filled"
DOCUMENTS = [
    {"id": "a", "text": "rivers and lakes", "metadata": {"year": 1999, "tags": ["x"]}, "source": "s"},
    {"id": "b", "text": "hills and valleys", "title": "Hills"},
]

with httpx.Client(base_url=f"{os.environ['SHORTLIST_HTTP']}/shortlist.v1.Retrieval/", trust_env=False) as _client:
    _client.post("CreateCollection", json={"name": COLLECTION, "existOk": True}).raise_for_status()
    _client.post("Upsert", json={"collection": COLLECTION, "documents": DOCUMENTS}).raise_for_status()


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """Name the collection that is there, wherever one is asked for by a text or not at all."""
    asked = context.operation.path.startswith(("/shortlist.v1.Retrieval/", "/shortlist.v1.Reindexes/"))
    by_name = context.operation.path.endswith(("Collection", "ListCollections"))
    if asked and not by_name and isinstance(body, dict) and isinstance(body.get("collection", ""), str):
        return body | {"collection": COLLECTION}
    return body
