"""How flyover's drawing code is compiled; importing this module imports Numba."""

from __future__ import annotations

from numba import njit

kernel = njit(cache=True, error_model="numpy")
# For what runs once a pixel: without reference counts, whose atomic additions took most of the time. Such a function
# must not make arrays.
# The flags promise that no number is infinite or undefined; none of them changes the order of additions.
pixel_kernel = njit(cache=True, error_model="numpy", _nrt=False, fastmath={"nnan", "ninf", "nsz", "arcp"})
# Passing arrays to a compiled function costs more than a pixel does, so whatever runs once a pixel is inlined.
inlined = njit(cache=True, error_model="numpy", inline="always")
