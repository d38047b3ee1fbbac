"""One workflow a file: wires the rooms together."""
