"""Search for the settings of a network: which to try, how each is judged, and when to give one up."""
