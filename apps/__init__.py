"""Everything a person touches: the command line, the desktop window and recordings of both."""
