"""The inference server: everything between the socket and the models. Imports neither torch nor transformers."""

import os

# Unless this is set before it is imported, onnxruntime keeps a device id and usage events in the user's home.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
# A child process that saves an index calls nothing of gRPC's, whose handlers would stop the server's calls meanwhile.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
