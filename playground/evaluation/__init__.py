"""How good a world is, in numbers and pictures: metrics, rollouts, reports, speed and the model card."""
