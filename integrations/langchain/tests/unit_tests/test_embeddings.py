"""LangChain's standard unit tests of embeddings."""

from langchain_tests.unit_tests import EmbeddingsUnitTests

from langchain_shortlist import ShortlistEmbeddings


class TestShortlistEmbeddings(EmbeddingsUnitTests):
    """The standard suite; its address is one where nobody listens."""

    @property
    def embeddings_class(self) -> type[ShortlistEmbeddings]:
        """Return what is tested."""
        return ShortlistEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, object]:
        """Return how it is made."""
        return {"address": "127.0.0.1:1"}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, object], dict[str, object]]:
        """Return a variable, what is given beside it, and what it comes to."""
        return {"SHORTLIST_ADDRESS": "shortlist.example:50051"}, {}, {"address": "shortlist.example:50051"}
