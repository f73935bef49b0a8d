"""Words for what flyover shows: every biome, time of day and weather, with other wordings of each."""

from __future__ import annotations

from playground.data.worlds.flyover.atmosphere import TIMES, WEATHERS
from playground.data.worlds.flyover.biomes import BIOMES

_TIME_WORDS = (("by day", "in daylight", "by daylight"), ("at dusk", "at sunset", "as the sun sets"))
_NIGHT_WORDS = ("at night", "under the moon", "in the dark of night")
_WEATHER_WORDS = (
    ("clear sky", "clear weather", "in clear air"),
    ("thick fog", "dense fog", "lost in fog"),
    ("rain", "heavy rain", "rain falling"),
    ("snow falling", "snowfall", "falling snow"),
)


def caption_id(biome: int, time: int, weather: int) -> int:
    """Position of a state in ``all_captions``."""
    return (biome * len(TIMES) + time) * len(WEATHERS) + weather


def all_captions() -> list[str]:
    """One caption for each biome, time and weather."""
    return [f"flying over {place[0]} {time[0]}, {weather[0]}" for place, time, weather in _states()]


def all_paraphrases() -> list[list[str]]:
    """Three other wordings of each caption that keep every attribute."""
    return [
        [
            f"{place[1]} {time[1]}, {weather[1]}",
            f"{weather[0]} over {place[2]} {time[0]}",
            f"a flight {time[2]} across {place[0]}, {weather[2]}",
        ]
        for place, time, weather in _states()
    ]


def _states() -> list[tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]]:
    times = (*_TIME_WORDS, _NIGHT_WORDS)
    return [(biome.places, time, weather) for biome in BIOMES for time in times for weather in _WEATHER_WORDS]
