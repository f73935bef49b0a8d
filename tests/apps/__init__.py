"""Tests of the command line and the desktop window."""
