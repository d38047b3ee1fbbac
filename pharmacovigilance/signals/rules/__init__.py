"""Signal rules as data: who flags what, on whose authority, with the reason of every line."""
