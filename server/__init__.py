"""The inference server: everything between the socket and the models. Imports neither torch nor transformers."""
