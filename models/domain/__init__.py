"""Where a model can be trusted: how far a compound is from those that the model learned from."""
