"""Parts of the generator: margins, case batches, the corruption model, files in the agency's layout."""
