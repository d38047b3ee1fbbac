"""Finding reports of the same event: exact repeats, the sender's number, and a hit-miss model."""
