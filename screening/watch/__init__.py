"""Scoring in watched child processes, so that a molecule that crashes, hangs or takes all memory costs its own row only."""
