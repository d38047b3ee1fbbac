"""Reading report collections of every supported layout into a store."""
