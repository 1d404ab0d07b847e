"""Shortlist beside its peers: the same load, graphs, machine and run."""
