"""Policies that act in a world or its real counterpart: random, sticky and scripted ones."""
