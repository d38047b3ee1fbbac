"""Pretraining: encoders that learnt chemistry from structures alone."""
