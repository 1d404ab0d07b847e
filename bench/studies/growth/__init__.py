"""Measure how throughput and latency grow with documents, clients and tokens."""
