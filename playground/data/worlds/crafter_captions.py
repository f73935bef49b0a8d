"""Words of the Crafter world: time of day, what the land is, and who is near."""

from __future__ import annotations

TIMES = {
    "by day": (
        "in daylight",
        "on a sunny day",
        "while the sun is up",
        "in the light of noon",
        "in full sunlight",
        "during the day",
    ),
    # Evening and morning look alike: the light of this world does not know which way it goes.
    "at twilight": (
        "in the evening twilight",
        "as the light fades",
        "at dusk",
        "after sunset",
        "as the sun goes down",
        "before nightfall",
        "in the morning twilight",
        "as the sun rises",
        "at dawn",
        "at first light",
        "before sunrise",
        "in dim half light",
    ),
    "at night": (
        "in the dark",
        "under a dark night sky",
        "after nightfall",
        "at midnight",
        "in darkness",
        "late in the night",
    ),
}
PLACES = {
    "green meadows": (
        "an open grassland",
        "wide green fields",
        "a grassy plain",
        "a lawn",
        "pastures",
        "open country with grass",
    ),
    "a forest": (
        "a woodland",
        "land full of trees",
        "a green wood",
        "a grove",
        "trees everywhere",
        "the middle of the woods",
    ),
    "a lake": ("blue water", "a lake shore", "land beside a pond", "the banks of a pond", "a wide sea", "open water"),
    "a sandy beach": (
        "yellow sand",
        "a strip of sand",
        "a sandy shore",
        "a coast with sand",
        "sandy ground",
        "dunes at the sea",
    ),
    "rocky mountains": (
        "grey stone hills",
        "a stony mountain",
        "high ground of grey rock",
        "cliffs",
        "stone all around",
        "hills of rock",
    ),
    "a cave": (
        "a tunnel in the rock",
        "an underground passage",
        "a dark hollow in stone",
        "a cavern",
        "a path under the mountain",
        "a mine",
    ),
    "a lava field": (
        "glowing lava between rocks",
        "a cavern with red lava",
        "rocks with hot lava pools",
        "molten rock",
        "a lake of fire",
        "orange lava in the dark stone",
    ),
}
NEIGHBOURS = {
    "": ("", "", "", "", "", ""),
    "with cows": (
        "where cows graze",
        "and some cows nearby",
        "with cattle",
        "with a cow in sight",
        "where a herd rests",
        "and cows on it",
    ),
    "with a zombie": (
        "where a zombie walks",
        "and a green zombie nearby",
        "with a zombie coming closer",
        "with the undead about",
        "where a zombie is near",
        "and zombies around",
    ),
    "with a skeleton": (
        "where a skeleton lurks",
        "and a skeleton archer nearby",
        "with a bony skeleton",
        "with skeletons in it",
        "where a skeleton waits",
        "and bones that walk",
    ),
}
WORDINGS = 12
DAYLIGHT, TWILIGHT = 0.62, 0.33
# Tiles of 81 that make a place.
LAVA, WATER, SAND, TREES, CAVE, STONE = 3, 14, 9, 12, 14, 26


def crafter_captions() -> list[str]:
    """Every caption; the id is (time x places + place) x neighbours + neighbour."""
    return [" ".join(filter(None, (p, n, t))) for t in TIMES for p in PLACES for n in NEIGHBOURS]


def crafter_paraphrases() -> list[list[str]]:
    """Twelve other wordings of each caption; words of place, creature and time meet in ever other company."""
    return [
        [
            " ".join(filter(None, (p[i % 6], n[(i + i // 6) % 6], t[(5 * i + 2 * (i // len(t))) % len(t)])))
            for i in range(WORDINGS)
        ]
        for t in TIMES.values()
        for p in PLACES.values()
        for n in NEIGHBOURS.values()
    ]


def caption_id(daylight: float, tiles: dict[str, int], creatures: set[str]) -> int:
    """Caption of a frame.

    Args:
        daylight: light of the world, 0..1.
        tiles: how many of the 81 tiles in view are of each material.
        creatures: class names of the objects in view.
    """
    time = "by day" if daylight >= DAYLIGHT else "at twilight" if daylight >= TWILIGHT else "at night"
    stone = sum(tiles.get(name, 0) for name in ("stone", "coal", "iron", "diamond"))
    checks = (
        ("a lava field", tiles.get("lava", 0) >= LAVA),
        ("a cave", tiles.get("path", 0) >= CAVE),
        ("a lake", tiles.get("water", 0) >= WATER),
        ("a sandy beach", tiles.get("sand", 0) >= SAND),
        ("rocky mountains", stone >= STONE),
        ("a forest", tiles.get("tree", 0) >= TREES),
    )
    place = next((name for name, true in checks if true), "green meadows")
    near = "with a zombie" if "Zombie" in creatures else "with a skeleton" if "Skeleton" in creatures else ""
    if not near and "Cow" in creatures:
        near = "with cows"
    return (list(TIMES).index(time) * len(PLACES) + list(PLACES).index(place)) * len(NEIGHBOURS) + list(
        NEIGHBOURS
    ).index(near)
