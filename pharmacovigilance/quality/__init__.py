"""What a store holds and how good it is: facts, a page, and a health check."""
