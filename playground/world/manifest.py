"""The fields of ``world.json``: what a bundle is made of and how it is meant to be played."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from playground.core.config import config_from_dict, config_to_dict, read_json, write_json
from playground.core.errors import PlaygroundError
from playground.world.files import MANIFEST_NAME

SCHEMA_VERSION = 1
COMPONENTS = ("tokenizer", "dynamics", "latent_actions")
REQUIRED_COMPONENTS = ("tokenizer", "dynamics")
SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""Names of worlds and prompts become file names."""


@dataclass(frozen=True)
class Sampling:
    """How frames are drawn unless a user says otherwise.

    Attributes:
        steps: passes of the dynamics per frame; None for the finest that it was trained for.
        temperature: of the draw, for dynamics that have one; None for theirs.
    """

    steps: int | None = None
    temperature: float | None = None

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.steps is not None and not 1 <= self.steps <= 1024:
            raise ValueError(f"field 'steps' is {self.steps}; use 1 to 1024")
        if self.temperature is not None and not 0 <= self.temperature <= 100:
            raise ValueError(f"field 'temperature' is {self.temperature}; use 0 to 100")


@dataclass(frozen=True)
class WorldManifest:
    """The fields of ``world.json``.

    Attributes:
        schema_version: format of the bundle.
        name: letters, digits, dots, dashes and underscores.
        frame_size: height and width of a frame in pixels.
        fps: frames per second that the world is meant to be played at.
        grid: height and width of the latent grid.
        num_actions: latent actions of the dynamics.
        context_frames: frames that the dynamics remembers.
        components: folder name to the sha256 of each file in it.
        actions: sha256 of ``actions.json``.
        prompts: file name in ``prompts/`` to sha256, in the order they are offered.
        sampling: defaults for drawing frames.
        text_encoder: name of the encoder that text prompts were embedded with in training; None without texts.
        licence: of the weights.
        data_statement: what the world was trained on, in a sentence or two.
    """

    schema_version: int
    name: str
    frame_size: int
    fps: float
    grid: int
    num_actions: int
    context_frames: int
    components: dict[str, dict[str, str]]
    actions: str
    prompts: dict[str, str] = field(default_factory=dict)
    sampling: Sampling = field(default_factory=Sampling)
    text_encoder: str | None = None
    licence: str = "Apache-2.0"
    data_statement: str = ""

    def __post_init__(self) -> None:
        """Check values that a type cannot."""
        if not SAFE_NAME.fullmatch(self.name):
            raise ValueError(f"field 'name' is {self.name[:80]!r}; use up to 64 letters, digits, '.', '-' and '_'")
        for name in ("frame_size", "fps", "grid", "num_actions", "context_frames"):
            if not 0 < getattr(self, name) <= 65536:
                raise ValueError(f"field {name!r} is {getattr(self, name)}; it must be above 0 and at most 65536")
        for name in REQUIRED_COMPONENTS:
            if name not in self.components:
                raise ValueError(f"field 'components' has no {name!r}; pack the world again")
        for name in self.components:
            if name not in COMPONENTS:
                raise ValueError(f"field 'components' has an unknown part {name!r}; known: {', '.join(COMPONENTS)}")

    @classmethod
    def load(cls, folder: Path) -> WorldManifest:
        """Read ``world.json`` of a bundle folder, strictly.

        Raises:
            PlaygroundError: missing, damaged, of another schema, or with an unknown, missing or wrong field.
        """
        path = folder / MANIFEST_NAME
        data = read_json(path)
        version = data.get("schema_version")
        if version != SCHEMA_VERSION:
            raise PlaygroundError(
                f"{path}: field 'schema_version' is {version!r}, this program reads {SCHEMA_VERSION};"
                " install a matching version or pack the world again"
            )
        return config_from_dict(cls, data, str(path))

    def save(self, folder: Path) -> None:
        """Write ``world.json``."""
        write_json(folder / MANIFEST_NAME, config_to_dict(self))

    def files(self) -> dict[str, str]:
        """Relative path to sha256 of every file that the manifest vouches for."""
        result = {"actions.json": self.actions}
        for part, names in self.components.items():
            result |= {f"{part}/{name}": sha for name, sha in names.items()}
        return result | {f"prompts/{name}": sha for name, sha in self.prompts.items()}
