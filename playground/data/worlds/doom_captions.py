"""Maps and words of the Doom world: which maps belong to which split, and what is said about a view."""

from __future__ import annotations

MAZE = "map01"
"""The maze of the scenario My Way Home, which takes the place of Freedoom's first map."""

# Freedoom: Phase 1 names its maps by episode, Phase 2 by number. Held-out maps are spread over both.
TEST_MAPS = ("e1m4", "e2m4", "e3m4", "e4m4", "map05", "map13", "map21", "map29")
VAL_MAPS = ("e1m7", "e3m7", "map09", "map25")
_PHASE_1 = tuple(f"e{episode}m{number}" for episode in range(1, 5) for number in range(1, 10))
_PHASE_2 = (MAZE, *(f"map{number:02d}" for number in range(2, 33)))
GAMES = {"freedoom1.wad": _PHASE_1, "freedoom2.wad": _PHASE_2}

PLACES = {
    "a maze of rooms": ("a labyrinth", "rooms joined by narrow passages", "a maze of small chambers"),
    "a techno base": ("a futuristic military base", "a science fiction outpost", "halls of a high-tech base"),
    "a city fortress": ("an urban stronghold", "the streets and halls of a city", "a brick and stone fortress"),
    "a hellish castle": ("a castle in hell", "a demonic stone temple", "the halls of an infernal keep"),
}
LIGHTS = {"": ("", "", ""), "dim": ("in dim light", "poorly lit", "full of shadows")}
SIGHTS = {
    "": ("seen in first person", "from the eyes of a walker", "in an old 3d shooter"),
    "a soldier ahead": ("with an armed soldier in view", "facing a soldier with a gun", "and a hostile soldier"),
    "a monster ahead": ("with a monster in view", "facing a monster", "and a hostile creature"),
    "an item ahead": ("with an item to pick up", "and supplies on the floor", "with something useful lying about"),
}
COVER = ("a grey hall with fireballs coming", "a grey hall with monsters at the far wall")
COVER_PARAPHRASES = (
    ("fireballs fly towards you across a plain hall", "dodging fireballs in a grey room", "take cover from fireballs"),
    (
        "distant monsters wait across a plain grey hall",
        "monsters at the end of a grey room",
        "take cover from monsters",
    ),
)
SOLDIERS = ("Zombieman", "ShotgunGuy", "ChaingunGuy", "WolfensteinSS")
ITEM_KINDS = ("Health", "Armor", "Ammo", "Weapon", "Key", "Powerup")
# Mean of a frame, 0..255, below which it is called dim.
DIM = 62.0
# Sides of a label's box below which a thing is too small to be noticed, in pixels of 256.
SMALL, SMALL_ITEM = 12, 10


def split_maps(split: str) -> dict[str, list[str]]:
    """Maps of a split for each game file; splits share none."""
    held_out = {"val": VAL_MAPS, "test": TEST_MAPS}
    if split in held_out:
        return {game: [name for name in maps if name in held_out[split]] for game, maps in GAMES.items()}
    taken = {*VAL_MAPS, *TEST_MAPS}
    return {game: [name for name in maps if name not in taken] for game, maps in GAMES.items()}


def doom_captions() -> list[str]:
    """Every caption: (place x lights + light) x sights + sight, then two of the hall of Take Cover."""
    texts = []
    for place in PLACES:
        for light in LIGHTS:
            first, _, rest = place.partition(" ")
            lit = f"a {light} {rest}" if light else f"{first} {rest}"
            texts += [f"walking through {lit}" + (f", {sight}" if sight else "") for sight in SIGHTS]
    return [*texts, *COVER]


def doom_paraphrases() -> list[list[str]]:
    """Three other wordings of each caption."""
    rows = [
        [" ".join(filter(None, (place[i], sight[i], light[i]))) for i in range(3)]
        for place in PLACES.values()
        for light in LIGHTS.values()
        for sight in SIGHTS.values()
    ]
    return [*rows, *(list(row) for row in COVER_PARAPHRASES)]


def place_of(name: str) -> int:
    """Index into ``PLACES`` of a map, after its episode and a look at three places of each map."""
    if name == MAZE:
        return 0
    if name.startswith("e"):
        return 3 if name[1] == "3" else 1
    number = int(name[3:])
    # Map 22 has panels and screens like the first ones.
    return 1 if number <= 11 or number == 22 else 2 if number <= 20 else 3


def caption_id(name: str, brightness: float, kinds: list[tuple[str, str, int]]) -> int:
    """Caption of a view on an exploration map.

    Args:
        name: the map.
        brightness: mean of the frame, 0..255.
        kinds: name, category and box height (in pixels of 256) of everything in view.
    """
    enemies = [thing for thing, kind, height in kinds if kind == "Monster" and height >= SMALL]
    if any(thing not in SOLDIERS for thing in enemies):
        sight = 2
    elif enemies:
        sight = 1
    else:
        sight = 3 if any(kind in ITEM_KINDS and height >= SMALL_ITEM for _, kind, height in kinds) else 0
    return (place_of(name) * len(LIGHTS) + int(brightness < DIM)) * len(SIGHTS) + sight


def cover_caption_id(kinds: list[tuple[str, str, int]]) -> int:
    """Caption of a view of Take Cover: whether a fireball is in the air."""
    flying = any("Ball" in thing for thing, _, _ in kinds)
    return len(PLACES) * len(LIGHTS) * len(SIGHTS) + int(not flying)
