"""Measurements against the cost of other designs; run by hand, never by pytest."""
