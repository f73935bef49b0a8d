"""What differs between the stages: the batches, the loss call, the sample sheet and the warnings."""
