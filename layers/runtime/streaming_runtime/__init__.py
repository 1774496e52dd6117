"""Runs an ASGI app on AWS Lambda, its response streamed."""
