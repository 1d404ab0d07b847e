"""The inference server: everything between the socket and the models. Imports neither torch nor transformers."""

import os

# Unless this is set before it is imported, onnxruntime keeps a device id and usage events in the user's home.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
