"""Calibration: from predictions for compounds that a model has not seen to honest standard deviations, probabilities and intervals."""
