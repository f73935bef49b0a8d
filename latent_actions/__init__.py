"""Latent actions: what a player could have done between two frames, learned from video alone."""
