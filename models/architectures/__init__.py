"""Encoders: from the graphs of a batch to atom states. One file an architecture."""
