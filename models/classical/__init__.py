"""Models on fingerprints and descriptors: kernels, neighbours, forests and boosted trees, alone or blended."""
