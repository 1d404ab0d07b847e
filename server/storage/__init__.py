"""Collections: documents in SQLite, which are the truth, and the vector index that is derived from them."""
