"""Searching for the settings of a network: the record of trials, what to work on next, and the workflow around them."""
