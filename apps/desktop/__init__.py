"""Play in a window, or without one into a folder of frames."""
