"""gRPC: requests to calls of the pipeline, answers to messages, and what stands around every call. No more logic."""
