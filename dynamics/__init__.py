"""The dynamics: the next frame's latents from the past, an action and a prompt."""
