"""Training: one loop for all three models, on a budget of time or steps."""
