"""The video tokenizer: frames to a small grid of latents and back."""
