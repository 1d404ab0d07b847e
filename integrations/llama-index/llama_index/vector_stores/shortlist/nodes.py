"""LlamaIndex's nodes to Shortlist's documents and back.

A node is embedded with its metadata before its text, as LlamaIndex has it. So they are the document's title, which
both models read before the text, and the text is the node's own. What else the node has is in the metadata of the
document, in LlamaIndex's form: the node as JSON without its text, and beside it what filters find by.
"""

from collections.abc import Iterable, Mapping, Sequence

from llama_index.core.schema import BaseNode, MetadataMode, TextNode
from llama_index.core.vector_stores.utils import metadata_dict_to_node, node_to_metadata_dict

from shortlist.client import Document, Hit, IngestResult

NODE_ID, REF_DOC_ID = "_node_id", "ref_doc_id"
_CONTENT = "_node_content"
_SHOWN = 3  # of what was refused


def documents(nodes: Iterable[BaseNode]) -> dict[str, Document]:
    """Convert nodes, by id; of one id the last."""
    return {one.node_id: _document(one) for one in nodes}


def node(stored: Document | Hit) -> BaseNode:
    """Convert a document that was read; one that was no node becomes one, with its title in the metadata."""
    return _node(stored.id, stored.title, stored.text, stored.metadata)


def check_added(results: Sequence[IngestResult]) -> None:
    """Refuse to go on where the server did not take all nodes.

    Raises:
        ValueError: it refused some; the others are stored.
    """
    refused = [one for one in results if one.error]
    if refused:
        causes = "; ".join(f"{one.document.id!r}: {one.error}" for one in refused[:_SHOWN])
        raise ValueError(
            f"{len(refused):,} of {len(results):,} nodes were refused, the others are stored: {causes}"
        ) from refused[0].error


def _document(given: BaseNode) -> Document:
    return Document(
        given.node_id,
        given.get_content(metadata_mode=MetadataMode.NONE),
        title=given.get_metadata_str(mode=MetadataMode.EMBED),
        metadata={**node_to_metadata_dict(given, remove_text=True), NODE_ID: given.node_id},
        vector=given.embedding or (),
    )


def _node(identifier: str, title: str, text: str, metadata: Mapping[str, object]) -> BaseNode:
    if _CONTENT in metadata:
        return metadata_dict_to_node(dict(metadata), text=text)
    return TextNode(id_=identifier, text=text, metadata={**({"title": title} if title else {}), **metadata})
