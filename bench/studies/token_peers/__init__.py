"""Late interaction beside its peers: the same model, texts, threads, machine and run."""
