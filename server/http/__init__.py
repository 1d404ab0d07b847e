"""HTTP: the faces that clients of the field speak, as one ASGI app. The gRPC services are in `rpc/`."""
