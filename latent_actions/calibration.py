"""From codes to keys: finds out, once per world, which code a player means by each key.

Where a few labelled frames exist, a key belongs to the code that it makes more likely than usual. Where none exist,
codes are named after the motion that they were measured to cause.
"""

from __future__ import annotations

from typing import Any

import numpy as np

KEYS: dict[str, tuple[str, ...]] = {
    "left": ("left", "a"),
    "right": ("right", "d"),
    "up": ("up", "w", "space"),
    "climb": ("up", "w"),
    "forward": ("up", "w"),
    "gas": ("up", "w"),
    "down": ("down", "s"),
    "dive": ("down", "s"),
    "back": ("down", "s"),
    "brake": ("down", "s"),
    "faster": ("space",),
    "slower": ("x",),
    "do": ("space",),
    "attack": ("space",),
}
"""Keys that a player expects for the usual names of actions: arrows and letters, Space for what is done often."""

CLEAR = 2.5
"""Standard errors by which a code must be more common under a label than usual; less is chance among so many codes."""

RARE = 0.02
"""Share of a world's frames below which a code is an accident there and gets no key."""

DIRECTIONS = {"right": (-1.0, 0.0), "left": (1.0, 0.0), "up": (0.0, 1.0), "down": (0.0, -1.0)}
"""Motion of the picture, right and down, when the player goes that way and the camera follows."""


def keys_of(name: str) -> list[str]:
    """Keys for an action name; a name of two parts, such as ``climb-left``, gets chords, and an unknown one nothing."""
    parts = [KEYS.get(part, ()) for part in name.split("-")]
    if len(parts) == 1:
        return list(parts[0])
    if len(parts) != 2:
        return []
    if {"left", "right"} & set(parts[1]):
        parts.reverse()
    # A player holds two arrows or two letters, not one of each; Space goes with both.
    return [
        f"{one}+{other}"
        for one in parts[0]
        for other in parts[1]
        if other == "space" or (len(one) == 1) == (len(other) == 1)
    ]


def share_keys(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave every key with one entry, the one that has fewest, and return the entries.

    Names from different worlds may want the same key: ``up`` and ``climb``, or ``up`` and ``do`` with Space.
    """
    taken: set[frozenset[str]] = set()
    for entry in sorted(entries, key=lambda entry: len(entry["keys"])):
        entry["keys"] = [key for key in dict.fromkeys(entry["keys"]) if frozenset(key.split("+")) not in taken]
        taken |= {frozenset(key.split("+")) for key in entry["keys"]}
    return entries


def calibrate(
    labels: np.ndarray,
    codes: np.ndarray,
    action_names: list[str],
    num_codes: int,
    motion: np.ndarray | None = None,
) -> list[dict[str, Any]]:
    """Map keys to codes from labelled frames.

    A label belongs to the code whose share rises most under it, ``P(code | label) - P(code)``. The plain most
    frequent code would do worse: a player who pushes against a wall produces the code for standing still. A label
    whose codes are those of any other frame (gas, in a car that rolls anyway) gets the code of its direction's
    motion, if one is free.

    Args:
        labels: action labels (n,), -1 where unknown; 200 known ones find the main keys, 2000 the chords.
        codes: latent actions (n,) of the same frames.
        action_names: name of each label.
        num_codes: number of codes A.
        motion: mean motion of Q parts of the picture under each code (A, Q, 2) in pixels, right then down, if
            measured; the stillest code is then the no-op. A turn moves the parts, not the picture as a whole.

    Returns:
        One entry per code, ready for ``actions.json``: code, name, keys, noop.
    """
    known = labels >= 0
    labels, codes = labels[known], codes[known]
    usual = np.bincount(codes, minlength=num_codes) / max(1, len(codes))
    lift = _clear_lift(labels, codes, action_names, usual)
    if motion is not None:
        noop = int(np.argmin(_strength(motion) + 1e3 * (usual < RARE)))
    elif "noop" in action_names and lift[action_names.index("noop")].max() > -1:
        noop = int(lift[action_names.index("noop")].argmax())
    else:
        noop = int(usual.argmax())
    best = {}
    for label, name in enumerate(action_names):
        # A player who mostly pushes against walls stands still; a clear second best code is what the key is for.
        moving = np.where((np.arange(num_codes) == noop) | (usual < RARE), -1.0, lift[label])
        if motion is not None:
            moving = np.where(_across(motion, usual, name), -1.0, moving)
        if moving.max() > 0 and name != "noop":
            best[label] = int(moving.argmax())
    best |= _chords_of_parts(labels, codes, action_names, best)
    named: dict[int, str] = {}
    if motion is not None:  # a direction that no label stands for, such as falling, may still have a code of its own
        taken = {noop, *best.values(), *np.flatnonzero(usual < RARE).tolist()}
        meant = {key for label in best for key in keys_of(action_names[label])}
        missing = [name for name in DIRECTIONS if KEYS[name][0] not in meant]
        called = {name: next((own for own in action_names if KEYS[name][0] in keys_of(own)), name) for name in missing}
        named = {code: called[name] for code, name in _name_by_motion(motion, missing, taken, least=1.0).items()}
    return _entries(best, named, noop, lift, action_names)


def calibrate_from_motion(motion: np.ndarray, counts: np.ndarray) -> list[dict[str, Any]]:
    """Map keys to codes from the motion that each code causes, for video without labels.

    Args:
        motion: mean motion of Q parts of the picture under each code (A, Q, 2) in pixels, right then down. The
            camera follows the player, so the picture of a player who goes right moves left.
        counts: how often each code occurs (A,); rare codes get no key.

    Returns:
        One entry per code: code, name, keys, noop.
    """
    used = counts >= RARE * max(1, counts.sum())
    strength = np.where(used, _strength(motion), np.inf)
    noop = int(strength.argmin())
    taken = {noop, *np.flatnonzero(~used).tolist()}
    named = _name_by_motion(motion, list(DIRECTIONS), taken, least=0.25)
    entries = []
    for code in range(len(counts)):
        name = "noop" if code == noop else named.get(code, f"action {code + 1}")
        entries.append({"code": code, "name": name, "keys": keys_of(name), "noop": code == noop})
    return entries


def _clear_lift(labels: np.ndarray, codes: np.ndarray, action_names: list[str], usual: np.ndarray) -> np.ndarray:
    """How much more common than ``usual`` (A,) each code is under each label (labels, A); -1 where it may be chance."""
    lift = np.full((len(action_names), len(usual)), -1.0)
    for label, name in enumerate(action_names):
        # Where too few frames of a label are known, those of the actions that contain it help: gas-left for left.
        related = [index for index, other in enumerate(action_names) if name in other.split("-")]
        for mine in (codes[labels == label], codes[np.isin(labels, related)]):
            found = np.bincount(mine, minlength=len(usual)) / max(1, len(mine)) - usual
            clear = found > CLEAR * np.sqrt(usual * (1 - usual) / max(1, len(mine)))
            if len(mine) >= 3 and clear.any():
                lift[label] = np.where(clear, found, -1.0)
                break
    return lift


def _entries(
    best: dict[int, int], named: dict[int, str], noop: int, lift: np.ndarray, action_names: list[str]
) -> list[dict[str, Any]]:
    """One entry a code, from the code of each label, names of further codes and the lift (labels, A)."""
    entries = []
    for code in range(lift.shape[1]):
        mine = [label for label, chosen in best.items() if chosen == code and code != noop]
        mine.sort(key=lambda label: (action_names[label].count("-"), -lift[label, code], label))
        mine = _one_meaning(mine, action_names)
        names = [action_names[label] for label in mine] or ([named[code]] if code in named else [])
        keys = [key for known in names for key in keys_of(known)]
        name = "noop" if code == noop else names[0] if names else f"action {code + 1}"
        entries.append({"code": code, "name": name, "keys": keys, "noop": code == noop})
    return share_keys(entries)


def _one_meaning(labels: list[int], action_names: list[str]) -> list[int]:
    """Of labels that share a code, best first: the chords, and of the others one, for an arrow if there is any.

    Gas and brake, or climb and faster, that look alike to a world must not both promise something.
    """
    plain = [label for label in labels if "-" not in action_names[label]]
    arrows = [label for label in plain if set(keys_of(action_names[label])) & set(DIRECTIONS)]
    return [*(arrows or plain)[:1], *[label for label in labels if label not in plain]]


def _chords_of_parts(
    labels: np.ndarray, codes: np.ndarray, action_names: list[str], best: dict[int, int]
) -> dict[int, int]:
    """For labels such as gas-left that no code stands for: the code of the part that they show most often."""
    found = {}
    for label, name in enumerate(action_names):
        parts = [best[index] for index, other in enumerate(action_names) if index in best and other in name.split("-")]
        if label not in best and parts:
            mine = codes[labels == label]
            found[label] = max(parts, key=lambda code: int((mine == code).sum()))
    return found


def _name_by_motion(motion: np.ndarray, names: list[str], taken: set[int], least: float) -> dict[int, str]:
    """Give each named direction the free code that moves the picture most clearly against it, if any does."""
    named: dict[int, str] = {}
    whole = motion.mean(axis=1)
    for name in names:
        direction = np.array(DIRECTIONS[name])
        along, across = whole @ direction, np.abs(whole @ direction[::-1])
        score = np.where((along > least) & (along > across), along - across, -np.inf)
        score[sorted({*taken, *named})] = -np.inf
        code = int(score.argmax())
        if score[code] > -np.inf:
            named[code] = name
    return named


def _across(motion: np.ndarray, usual: np.ndarray, name: str) -> np.ndarray:
    """Whether each code (A,) moves the picture clearly across the direction that a name asks for, if it asks for one.

    What moves under every code alike, such as the road under a rolling car, says nothing of a code.
    """
    asked = next((key for key in DIRECTIONS if KEYS[key][0] in keys_of(name)), None)
    if asked is None:
        return np.zeros(len(motion), bool)
    whole = motion.mean(axis=1)
    whole, direction = whole - usual @ whole, np.array(DIRECTIONS[asked])
    across = np.abs(whole @ direction[::-1])
    result: np.ndarray = (across > 1.0) & (across > whole @ direction)
    return result


def _strength(motion: np.ndarray) -> np.ndarray:
    """How much moves under each code, wherever in the picture (A,)."""
    strength: np.ndarray = np.linalg.norm(motion, axis=-1).mean(axis=1)
    return strength
