"""What differs between the three stages: the batches, the loss call, the sample sheet and the warnings."""
