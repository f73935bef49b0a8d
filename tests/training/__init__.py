"""Tests of the training loop, its parts and the three stages."""
