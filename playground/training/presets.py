"""Named training recipes: TOML files beside this module, or a path to one's own, read strictly."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from playground.core.config import config_from_dict
from playground.core.errors import PlaygroundError, suggest

FOLDER = Path(__file__).parent / "presets"


@dataclass(frozen=True)
class StagePreset:
    """How one stage is trained.

    Attributes:
        type: registry name of the model.
        steps: optimiser steps when neither a budget nor a number of steps is given.
        batch: frames (tokenizer, first frames), pairs (latent actions) or windows (dynamics) in a batch.
        budget_share: share of the wall-clock budget of ``train all``.
        adam_lr: peak learning rate of AdamW.
        muon_lr: peak learning rate of Muon on hidden matrices; 0 means AdamW there too.
        weight_decay: decoupled weight decay.
        ema: decay of the averaged weights.
        window: frames in a clip (tokenizer: 1, latent actions: 2 or more; first frames and intents
            have none).
        motion_weight: 0 samples clips evenly, 1 in proportion to the motion in them.
        rare_captions: 0 samples captions as often as they occur, 1 every caption of a source equally often.
        caption_changes: least share of windows around a change of the caption, of those drawn of each source.
        checkpoint_every: steps between checkpoints when the budget is counted in steps.
        inspect_every: steps between contact sheets.
        source_actions: dynamics only: ``latent`` learns from inferred actions, ``label`` from the recorded
            ones.
        label_share: latent actions only: share of clips whose recorded actions are shown to the model.
        frozen: the model's modules and parameters, by name, that keep the weights they start with; with the encoder of
            a tokenizer frozen, its decoder learns on while latents stay what a dynamics knows.
        model: fields of the model's config; sizes that follow from other stages are filled in.
    """

    type: str
    steps: int
    batch: int
    budget_share: float
    adam_lr: float
    muon_lr: float = 0.0
    weight_decay: float = 0.0
    ema: float = 0.999
    window: int = 1
    motion_weight: float = 0.0
    rare_captions: float = 0.0
    caption_changes: float = 0.0
    checkpoint_every: int = 500
    inspect_every: int = 500
    source_actions: Literal["latent", "label"] = "latent"
    label_share: float = 0.0
    frozen: tuple[str, ...] = ()
    model: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("steps", "batch", "window", "checkpoint_every", "inspect_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"field {name!r} must be 1 or more, got {getattr(self, name)}")
        for name in ("budget_share", "ema", "motion_weight", "rare_captions", "caption_changes", "label_share"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"field {name!r} must lie in 0..1, got {getattr(self, name)}")
        if self.adam_lr <= 0 or self.muon_lr < 0:
            raise ValueError("field 'adam_lr' must be above 0 and 'muon_lr' 0 or more")


@dataclass(frozen=True)
class Preset:
    """A recipe for all stages.

    Attributes:
        name: of the recipe.
        frame_size: side of a frame in pixels.
        tokenizer: first stage.
        latent_actions: second stage.
        dynamics: third stage.
        first_frames: fourth stage, for data with captions; None leaves first frames to the dynamics.
        intents: fifth stage, for data with recorded actions; None gives every key one latent action.
        source_weights: how much is sampled of each source of the data, in any unit; None means as much as there is.
    """

    name: str
    frame_size: int
    tokenizer: StagePreset
    latent_actions: StagePreset
    dynamics: StagePreset
    first_frames: StagePreset | None = None
    intents: StagePreset | None = None
    source_weights: dict[str, float] | None = None

    def stage(self, name: str) -> StagePreset:
        """The recipe of a stage, by its name in ``playground train``.

        Raises:
            PlaygroundError: the preset has none for first frames or intents.
        """
        found: StagePreset | None = getattr(self, name.replace("-", "_"))
        if found is None:
            section = name.replace("-", "_")
            raise PlaygroundError(f"preset {self.name!r} has no section [{section}]; add one as in preset 'cpu'")
        return found


def preset_names() -> list[str]:
    """Names of the shipped presets."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load_preset(name: str) -> Preset:
    """Read a shipped preset by name, or any TOML file by path.

    Raises:
        PlaygroundError: no such preset, or a field that is unknown, missing or wrong.
    """
    known = preset_names()
    path = FOLDER / f"{name}.toml" if name in known else Path(name)
    if path.suffix != ".toml" or not path.is_file():
        raise PlaygroundError(
            f"unknown preset {name!r}.{suggest(name, known)} Known: {', '.join(known)}, or the path of a .toml file."
        )
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PlaygroundError(f"{path} is not valid TOML ({error}); correct it") from error
    return preset_from_dict({"name": path.stem, **data}, str(path))


def preset_from_dict(data: dict[str, Any], where: str) -> Preset:
    """Build a preset from plain values; ``where`` names the file in messages."""
    return config_from_dict(Preset, data, where)
