"""The two models as text-embeddings-inference (TEI) speaks of them: what its faces over gRPC and HTTP share."""
