"""Streams: pipelines on channels."""
