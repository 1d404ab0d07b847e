"""The wire contract, shortlist.v1: `retrieval.proto` and the stubs generated from it by `make stubs`."""
