"""Time of day and weather of flyover as one vector of numbers, so that any change is a blend of two vectors.

``air_vector`` builds the vector of a biome, a time and a weather; the constants below name its entries. Three entries
from a colour's name on are red, green and blue.
"""

from __future__ import annotations

import numpy as np

from playground.data.worlds.flyover.biomes import BIOMES

ZENITH, MIDDLE, HORIZON, SUN, CLOUD, CLOUD_SHADE, LIGHT, AMBIENT = range(0, 24, 3)
(
    LIGHT_DAY,
    LIGHT_DUSK,
    LIGHT_MOON,
    SUN_TANGENT,
    MOON_TANGENT,
    DISC,
    HALO,
    MOON,
    STARS,
    COVER,
    FOG,
    HAZE,
    RAIN,
    SNOW,
    SNOW_COVER,
    WETNESS,
    GLOW_GAIN,
    GLINT,
) = range(24, 42)
AIR_NUMBERS = 42

TIMES = ("day", "dusk", "night")
WEATHERS = ("clear", "fog", "rain", "snow")
DAY, DUSK, NIGHT = range(3)
CLEAR, FOGGY, RAINY, SNOWY = range(4)

# Direction from the world's sun azimuth in radians and tangent of the height above the horizon.
DAY_SUN, DUSK_SUN, MOON_LIGHT = (0.5, 0.72), (0.0, 0.2), (0.35, 0.6)

_SKIES = {
    DAY: ((62, 124, 208), (122, 178, 232), (206, 224, 236)),
    DUSK: ((62, 62, 128), (186, 112, 136), (255, 172, 104)),
    NIGHT: ((8, 12, 36), (18, 28, 66), (44, 60, 104)),
}
_SUNS = {DAY: (255, 244, 214), DUSK: (255, 190, 110), NIGHT: (190, 206, 240)}
_CLOUDS = {
    DAY: ((255, 255, 255), (176, 190, 210)),
    DUSK: ((255, 190, 150), (132, 92, 128)),
    NIGHT: ((52, 62, 98), (24, 30, 58)),
}
# Linear light: direct, then from the sky.
_LIGHTS = {
    DAY: ((1.55, 1.44, 1.24), (0.27, 0.34, 0.44)),
    DUSK: ((2.2, 1.12, 0.5), (0.32, 0.27, 0.37)),
    NIGHT: ((0.34, 0.42, 0.62), (0.105, 0.14, 0.24)),
}
# How much of the sky's colour a biome's tint may take over, and how bright the sky is there.
_BRIGHTNESS = {DAY: 1.0, DUSK: 0.72, NIGHT: 0.3}
# Grey of an overcast sky in display units: rain, snow, fog.
_OVERCAST = {
    RAINY: {DAY: (118, 128, 140), DUSK: (112, 92, 102), NIGHT: (26, 32, 48)},
    SNOWY: {DAY: (196, 204, 214), DUSK: (178, 148, 158), NIGHT: (52, 60, 84)},
    FOGGY: {DAY: (202, 210, 216), DUSK: (214, 168, 150), NIGHT: (48, 58, 84)},
}


def air_vector(biome_index: int, time: int, weather: int, cover: float = 0.4) -> np.ndarray:
    """Everything that time and weather decide, float32 (AIR_NUMBERS,).

    Args:
        biome_index: position in ``BIOMES``; tints the sky.
        time: position in ``TIMES``.
        weather: position in ``WEATHERS``.
        cover: cloud cover of a clear sky, 0..1.
    """
    biome = BIOMES[biome_index]
    air = np.zeros(AIR_NUMBERS, np.float32)
    tint = np.array(biome.sky, np.float32) / 255 * _BRIGHTNESS[time]
    for at, colour in zip((ZENITH, MIDDLE, HORIZON), _SKIES[time], strict=True):
        clear = np.array(colour, np.float32) / 255
        air[at : at + 3] = clear + biome.tint * (tint * (0.6 + 0.6 * clear.mean()) - clear)
    air[SUN : SUN + 3] = np.array(_SUNS[time]) / 255
    air[CLOUD : CLOUD + 3], air[CLOUD_SHADE : CLOUD_SHADE + 3] = np.array(_CLOUDS[time]) / 255
    air[LIGHT : LIGHT + 3], air[AMBIENT : AMBIENT + 3] = _LIGHTS[time]
    air[LIGHT_DAY + time] = 1
    air[SUN_TANGENT] = {DAY: DAY_SUN[1], DUSK: 0.11, NIGHT: -0.5}[time]
    air[MOON_TANGENT] = 0.38 if time == NIGHT else -0.4
    air[DISC] = float(time != NIGHT)
    air[HALO] = {DAY: 0.5, DUSK: 1.0, NIGHT: 0.0}[time]
    air[MOON] = air[STARS] = float(time == NIGHT)
    air[COVER] = cover
    air[FOG], air[HAZE], air[GLINT] = 1.0, 0.0, 1.0
    air[GLOW_GAIN] = {DAY: 0.9, DUSK: 1.1, NIGHT: 1.0}[time]
    if weather != CLEAR:
        _overcast(air, time, weather)
    return air


def _overcast(air: np.ndarray, time: int, weather: int) -> None:
    """Hide the sun behind clouds or fog and add what falls."""
    grey = np.array(_OVERCAST[weather][time], np.float32) / 255
    for at, share, bright in ((ZENITH, 0.8, 0.82), (MIDDLE, 0.85, 0.92), (HORIZON, 0.9, 1.04)):
        air[at : at + 3] += share * (grey * bright - air[at : at + 3])
    air[CLOUD : CLOUD + 3] = grey * 1.08
    air[CLOUD_SHADE : CLOUD_SHADE + 3] = grey * 0.74
    sunlight, skylight = {FOGGY: (0.4, 1.2), RAINY: (0.22, 1.0), SNOWY: (0.42, 1.15)}[weather]
    air[LIGHT : LIGHT + 3] *= sunlight
    # Under clouds the light comes from the whole sky and has the colour of the clouds.
    whole = air[AMBIENT : AMBIENT + 3]
    air[AMBIENT : AMBIENT + 3] = skylight * (0.5 * whole + 0.5 * whole.mean()) * (1.4)
    air[DISC] *= 0.25 if weather == FOGGY else 0.0
    air[HALO] *= 0.5 if weather == FOGGY else 0.15
    air[MOON] *= 0.3 if weather == FOGGY else 0.0
    air[STARS] = 0.0
    air[COVER] = {FOGGY: 0.15, RAINY: 0.85, SNOWY: 0.7}[weather]
    air[FOG] = {FOGGY: 2.7, RAINY: 1.6, SNOWY: 1.6}[weather]
    air[HAZE] = {FOGGY: 1.0, RAINY: 0.3, SNOWY: 0.5}[weather]
    air[GLINT] = {FOGGY: 0.25, RAINY: 0.1, SNOWY: 0.2}[weather]
    air[RAIN], air[SNOW] = float(weather == RAINY), float(weather == SNOWY)
    air[SNOW_COVER] = 0.85 if weather == SNOWY else 0.0
    air[WETNESS] = 0.3 if weather == RAINY else 0.0
