"""Runs a world fast: batched slots, key/value memory, interchangeable backends."""
