"""Chemistry to numbers: readers, standardization, curation, splits, fingerprints and molecular graphs."""
