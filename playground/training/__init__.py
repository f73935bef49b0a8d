"""Training: one loop for the tokenizer, the latent action model and the dynamics, on a budget of time or steps."""
