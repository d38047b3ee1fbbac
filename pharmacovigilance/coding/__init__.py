"""From names as reported to ingredients, and from reactions to groups."""
