"""Tests of the worlds that ship with the project."""
