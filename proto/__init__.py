"""The wire contracts, shortlist.v1 (`retrieval.proto`) and tei.v1 (`tei.proto`), and their stubs: `make stubs`."""
