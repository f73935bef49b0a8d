"""Names of the entries of flyover's camera and column vectors."""

from __future__ import annotations

CAMERA_NUMBERS = 8
X, Y, ALTITUDE, YAW, CLOCK, BANK, PITCH, ZOOM = range(CAMERA_NUMBERS)

# One column of the picture: its ray per unit of depth, the row of the horizon, the colour of far haze, and the parts
# of the cosines of the angles to sun and moon that do not depend on the height of the ray.
VIEW_NUMBERS = 14
TOWARD_X, TOWARD_Y, FLAT, HORIZON_ROW, VIEW_FOCAL, SUN_X, SUN_Y = range(7)
SUN_ALONG, MOON_ALONG, SUN_RISE, MOON_RISE, MIST = range(7, 12)
