"""The command line: thin commands over the pipelines. Nothing here is imported by any room."""
