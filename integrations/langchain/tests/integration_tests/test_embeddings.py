"""What embeddings do beyond LangChain's standard suite."""

import numpy as np
import pytest

from langchain_shortlist import ShortlistEmbeddings
from shortlist.client import Client, DeadlineExceeded, InvalidRequest


async def test_vectors_are_the_servers(client: Client):
    """Of more texts than one call has, in their order, with the prefixes of documents and of queries."""
    embeddings = ShortlistEmbeddings()
    texts = [f"text {number}" for number in range(150)]
    expected = [list(vector) for vector in client.embed(texts, "document").vectors]
    np.testing.assert_allclose(embeddings.embed_documents(texts), expected, atol=1e-5)
    np.testing.assert_allclose(await embeddings.aembed_documents(texts), expected, atol=1e-5)
    (query,) = client.embed(["text"], "query").vectors
    assert embeddings.embed_query("text") == pytest.approx(list(query), abs=1e-5)


async def test_vectors_as_they_are_asked_for():
    """Their first elements, of length 1 again; a text that does not fit is refused where it is not to be cut."""
    whole = np.array(ShortlistEmbeddings().embed_query("text"))
    cut = np.array(ShortlistEmbeddings(dimensions=32).embed_query("text"))
    np.testing.assert_allclose(cut, whole[:32] / np.linalg.norm(whole[:32]), atol=1e-5)
    uncut = ShortlistEmbeddings(truncation="none", normalize=True)
    assert np.linalg.norm(await uncut.aembed_query("text")) == pytest.approx(1)
    with pytest.raises(InvalidRequest, match="tokens"):
        uncut.embed_documents(["word " * 1000])


async def test_no_texts_are_no_call():
    """There is nothing to ask a server, not even one that is away."""
    nobody = ShortlistEmbeddings(address="127.0.0.1:1")
    assert nobody.embed_documents([]) == []
    assert await nobody.aembed_documents([]) == []


async def test_errors_are_the_clients(silent: str):
    """A text that no model can read, and a deadline that has passed."""
    embeddings = ShortlistEmbeddings()
    with pytest.raises(InvalidRequest, match=r"^texts\[100\]: got ' ', but"):
        embeddings.embed_documents(["text"] * 100 + [" "])
    with pytest.raises(DeadlineExceeded):
        await ShortlistEmbeddings(address=silent, timeout_s=0.05).aembed_query("text")
