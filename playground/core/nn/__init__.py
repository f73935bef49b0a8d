"""Neural building blocks that the tokenizer, the latent action model and the dynamics share."""
