"""The trained worlds that ship with the project, and how to find, fetch and verify them."""
