"""One player's live run of a world: stepping, controls, the real-time loop, rewind and timing.

Nothing here draws; windows and web pages live in ``apps``. Submodules are imported on use so that a front
end can import :mod:`playground.session.stats` without loading a model library.
"""
