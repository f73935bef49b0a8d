"""Collectors: programs that play a source world and hand out labelled frames.

A collector is one class in the registry ``COLLECTORS``. It plays several *streams* side by side; one stream becomes
one shard. Stream ``k`` must depend on the seed and ``k`` only, so that a stopped collection can be continued and
gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from playground.core.errors import PlaygroundError, suggest

EPISODE_OPTION = "episode_frames"
"""Option that cuts episodes after so many frames, in worlds that choose the length of an episode themselves."""

SHORTEST_EPISODE = 16


@dataclass(frozen=True)
class StepBatch:
    """One frame of each of S streams and the step taken at it.

    Attributes:
        frames_SHWC: uint8 frames; valid until the next batch is asked for.
        actions_S: int, the action taken AT the frame (leads to the next frame).
        rewards_S: float, the reward of that action.
        terminated_S: bool, that action ended the episode; the next frame starts another one.
        truncated_S: bool, the episode was cut here for another reason, such as a time limit.
        captions_S: int, id in the collector's ``captions``; -1 for none.
    """

    frames_SHWC: np.ndarray
    actions_S: np.ndarray
    rewards_S: np.ndarray
    terminated_S: np.ndarray
    truncated_S: np.ndarray
    captions_S: np.ndarray


class Collector(Protocol):
    """What ``collect`` needs from a source world.

    Attributes:
        version: raised whenever the same seed gives other frames or actions than before.
        fps: frames per second at which a person would play the source.
        action_names: name of each action id.
        captions: text of each caption id. A step's id says what is true at its frame; it changes in the middle of an
            episode when an event happens.
        paraphrases: for each caption, three to twenty-four texts that say the same in other words; ``[]`` or left out
            for a source without. Training draws among a caption and its paraphrases.
        licence: licence and origin of the pictures.
        options: the options with the value in use; ``episode_frames`` only where it was given.
        seed_range: first level seed of the split and the one after the last; empty when there are no levels.
        streams_per_rollout: how many streams one rollout plays side by side at most.
    """

    version: int
    fps: float
    action_names: list[str]
    captions: list[str]
    paraphrases: list[list[str]]
    licence: str
    options: dict[str, Any]
    seed_range: list[int]
    streams_per_rollout: int

    def __init__(self, size: int, split: str, options: dict[str, Any]) -> None:
        """Check the options; raise ``PlaygroundError`` on an unknown one."""

    def rollout(self, seed: int, first_stream: int, streams: int, frames: int) -> Iterator[StepBatch]:
        """Play streams ``first_stream`` to ``first_stream + streams - 1`` for ``frames`` frames each."""
        ...


def check_world(
    world: str,
    size: int,
    split: str,
    options: Collection[str],
    *,
    sizes: Collection[int],
    splits: Collection[str],
    known_options: Collection[str],
) -> None:
    """Check what a collector is asked for.

    Args:
        world: name of the collector, for the messages.
        size: pixels of a frame's side.
        split: name of the split.
        options: names of the options that were given.
        sizes: all sizes that the world can draw, in order, two or more.
        splits: names of all splits.
        known_options: names of all options.

    Raises:
        PlaygroundError: a size, a split or an option that the world does not have.
    """
    if size not in sizes:
        *most, last = sizes
        use = f"{', '.join(map(str, most))} or {last}"
        raise PlaygroundError(f"{world} frames of {size} px are not available; use --size {use}")
    if split not in splits:
        raise PlaygroundError(f"{world} has no split {split!r}.{suggest(split, splits)} Known: {', '.join(splits)}.")
    for name in options:
        if name not in known_options:
            known = ", ".join(known_options)
            raise PlaygroundError(f"{world} has no option {name!r}.{suggest(name, known_options)} Known: {known}.")


def episode_lengths(options: Mapping[str, Any], usual: tuple[int, int]) -> tuple[tuple[int, int], dict[str, Any]]:
    """Least length of an episode in frames and the first one too long: a world's ``usual`` ones, or as asked for.

    Many short episodes show more of what changes from one to the next, such as colours and maps.

    Args:
        options: options of a collector; ``episode_frames`` may come from a command line.
        usual: what holds without it.

    Returns:
        The two lengths, and the option as a collector names it in ``options``: empty where it was not given.

    Raises:
        PlaygroundError: not a number, or too few frames to learn or measure anything.
    """
    if EPISODE_OPTION not in options:
        return usual, {}
    try:
        frames = int(options[EPISODE_OPTION])
    except (TypeError, ValueError):
        frames = 0
    if frames < SHORTEST_EPISODE:
        got = options[EPISODE_OPTION]
        raise PlaygroundError(f"option {EPISODE_OPTION!r} must be {SHORTEST_EPISODE} or more, got {got!r}")
    return (frames, frames + 1), {EPISODE_OPTION: frames}


def option_bool(name: str, value: Any) -> bool:
    """Read a yes-or-no collector option that may come from a command line.

    Raises:
        PlaygroundError: neither true nor false.
    """
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in ("true", "yes", "1", "on"):
        return True
    if text in ("false", "no", "0", "off"):
        return False
    raise PlaygroundError(f"option {name!r} must be true or false, got {value!r}")
