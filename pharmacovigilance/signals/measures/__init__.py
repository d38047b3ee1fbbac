"""Measures of disproportionality, each under a named convention."""
