"""Clip datasets: what ``collect`` and ``import`` write and training reads."""
