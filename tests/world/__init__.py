"""Tests of worlds: bundles, actions, prompts, texts."""
