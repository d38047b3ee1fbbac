"""Adverse-event reports to safety signals; works without torch and rdkit."""
