"""Whether the parts of a world fit each other."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from playground.core.errors import PlaygroundError
from playground.world.first_frames import OF_FIRST_FRAMES
from playground.world.intents import num_choices
from playground.world.sources import book_name

if TYPE_CHECKING:
    from playground.world.bundle import World


def check_fit(world: World, where: str) -> None:
    """Check that the parts of a world fit each other and its manifest.

    Args:
        world: what was put together.
        where: file or world, for messages.

    Raises:
        PlaygroundError: a size, a sampling option or an action that one part has and another does not know.
    """
    tokenizer, dynamics, config = world.tokenizer, world.dynamics, world.dynamics.config
    pairs = [
        ("frame_size", world.frame_size, "the tokenizer", tokenizer.frame_size),
        ("grid", world.manifest.grid, "the tokenizer", tokenizer.grid),
        ("num_actions", world.manifest.num_actions, "the dynamics", dynamics.num_actions),
        ("context_frames", world.manifest.context_frames, "the dynamics", dynamics.context_frames),
        ("tokens_per_frame", tokenizer.tokens_per_frame, "the dynamics", config.tokens_per_frame),
    ]
    if dynamics.discrete:
        pairs.append(("codebook_size", tokenizer.codebook_size, "the dynamics", config.codebook_size))
    else:
        pairs.append(("latent_channels", tokenizer.latent_channels, "the dynamics", config.latent_channels))
    known = set(inspect.signature(dynamics.generate).parameters)
    if world.first_frames is not None:  # tokens cannot be corrected
        known |= set(OF_FIRST_FRAMES) - ({"correct_every"} if dynamics.discrete else set())
    for name, value in world.sampling.items():
        if value is not None and name not in known:
            raise PlaygroundError(f"{where}: sampling sets {name!r}, which its dynamics does not have; remove it")
    if world.first_frames is not None:
        for field in ("tokens_per_frame", "latent_channels"):
            theirs = getattr(world.first_frames.config, field)
            pairs.append((field, getattr(tokenizer, field), "the model of first frames", theirs))
    if world.latent_actions is not None:
        actions = world.latent_actions.num_actions
        pairs.append(("num_actions", world.manifest.num_actions, "the latent action model", actions))
    if world.intents is not None:
        for field, ours in (
            ("tokens_per_frame", tokenizer.tokens_per_frame),
            ("latent_channels", tokenizer.latent_channels),
            ("num_actions", world.manifest.num_actions),
        ):
            pairs.append((field, ours, "the intent model", getattr(world.intents.config, field)))
    for name, ours, part, theirs in pairs:
        if ours != theirs:
            raise PlaygroundError(f"{where}: {name} is {ours}, but {part} has {theirs}; pack parts of one training run")
    books = {"actions.json": world.actions}
    books |= {book_name(name): source.actions for name, source in world.sources.items() if source.actions is not None}
    for file, book in books.items():
        for action in book:
            if action.code >= num_choices(world) or action.code == dynamics.num_actions:
                named = "" if world.intents is None else f" and the intent model {len(world.intents.names)} names"
                raise PlaygroundError(
                    f"{where}: action {action.name!r} has code {action.code}, but the dynamics knows codes below"
                    f" {dynamics.num_actions}{named}; correct {file}"
                )
