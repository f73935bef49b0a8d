"""A world on disk and in memory: its bundle, its actions, its prompts and its text encoder."""
