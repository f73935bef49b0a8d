"""How flyover's drawing code is compiled; importing this module imports Numba."""

from __future__ import annotations

from numba import njit

kernel = njit(cache=True, error_model="numpy")
# Passing arrays to a compiled function costs more than a pixel does, so whatever runs once a pixel is inlined.
inlined = njit(cache=True, error_model="numpy", inline="always")
