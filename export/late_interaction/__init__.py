"""Late-interaction models (ColBERT): three layouts of files, one graph of token vectors, its proof and its gate."""
