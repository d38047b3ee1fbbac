"""DeepChem's models as our scorers, and our models as DeepChem's; DeepChem is imported when it is used."""
