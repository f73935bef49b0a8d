"""Tests of the engine and its backends."""
