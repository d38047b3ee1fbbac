"""Why a model predicts what it predicts: shares of atoms and bonds, and training compounds to compare with."""
