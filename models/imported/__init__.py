"""Models of other packages, read without trusting them and run by our engine."""
