"""Kinds of uncertainty of a graph network: one file each, with formula and paper."""
