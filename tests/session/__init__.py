"""Tests of playing: controls, loop, history, policies."""
