"""Spaces of products that are defined by reagents and reactions, and scored without being built."""
