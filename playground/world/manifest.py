"""The fields of ``world.json``: what a bundle is made of and how it is meant to be played."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from playground.core.config import config_from_dict, config_to_dict, read_json, write_json
from playground.core.errors import PlaygroundError
from playground.world.files import MANIFEST_NAME
from playground.world.sources import LOOKS_NAME, book_name

SCHEMA_VERSION = 1
COMPONENTS = ("tokenizer", "dynamics", "latent_actions", "first_frames", "intents")
REQUIRED_COMPONENTS = ("tokenizer", "dynamics")
SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""Names of worlds and prompts become file names."""

_NEWER = ("sources", "source_looks", "prompt_facts")
"""Fields that earlier versions of this program do not know; a bundle without them can still be read by these."""


@dataclass(frozen=True)
class Sampling:
    """How frames are drawn unless a user says otherwise.

    Attributes:
        steps: passes of the dynamics per frame; None for the finest that it was trained for.
        temperature: of the draw, for dynamics that have one; None for theirs.
        guidance: how closely a first frame follows its text, for worlds with a model of first frames; None for as
            closely as the data did, at half the cost. The dynamics itself draws without.
        correct_every: the model of first frames corrects every n-th frame of a running world; None for no frame.
    """

    steps: int | None = None
    temperature: float | None = None
    guidance: float | None = None
    correct_every: int | None = None

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.steps is not None and not 1 <= self.steps <= 1024:
            raise ValueError(f"field 'steps' is {self.steps}; use 1 to 1024")
        if self.temperature is not None and not 0 <= self.temperature <= 100:
            raise ValueError(f"field 'temperature' is {self.temperature}; use 0 to 100")
        if self.guidance is not None and not 0 <= self.guidance <= 100:
            raise ValueError(f"field 'guidance' is {self.guidance}; use 0 to 100")
        if self.correct_every is not None and not 1 <= self.correct_every <= 65536:
            raise ValueError(f"field 'correct_every' is {self.correct_every}; use 1 to 65536")


@dataclass(frozen=True)
class SourceFacts:
    """What ``world.json`` says about one source of the training data.

    Attributes:
        actions: sha256 of its ``actions-SOURCE.json``; empty where ``actions.json`` holds.
        fps: frames per second that it is meant to be played at; 0 where the world's ``fps`` holds.
        distances: 5th, 50th, 95th and 99th percentile of the distance of its own frames; empty if not measured.
        reconstruction_db: mean PSNR of its frames through the tokenizer, 0 if not measured.
    """

    actions: str = ""
    fps: float = 0.0
    distances: list[float] = field(default_factory=list)
    reconstruction_db: float = 0.0

    def __post_init__(self) -> None:
        """Check values that a type cannot."""
        if not 0 <= self.fps <= 65536:
            raise ValueError(f"field 'fps' is {self.fps}; it must be 0 to 65536")


@dataclass(frozen=True)
class PromptFacts:
    """What ``world.json`` says about one shipped prompt.

    Attributes:
        source: the source that it was taken from, empty if not known.
        caption: what was true at its last frame, in words; empty for data without captions.
    """

    source: str = ""
    caption: str = ""


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
        sources: the sources of the training data; empty in bundles that do not tell them apart.
        source_looks: sha256 of ``sources.safetensors``; empty without one.
        prompt_facts: what is known of the files in ``prompts``.
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
    sources: dict[str, SourceFacts] = field(default_factory=dict)
    source_looks: str = ""
    prompt_facts: dict[str, PromptFacts] = field(default_factory=dict)

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
        for name in self.sources:
            if not SAFE_NAME.fullmatch(name):
                raise ValueError(f"field 'sources' has the name {name[:80]!r}; use letters, digits, '.', '-' and '_'")
        for name, facts in self.prompt_facts.items():
            if name not in self.prompts or (facts.source and facts.source not in self.sources):
                raise ValueError(f"field 'prompt_facts' tells of {name[:80]!r}, but its prompt or source is not listed")

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
        """Write ``world.json``; without what only bundles of several sources have, unless it is set."""
        data = config_to_dict(self)
        write_json(folder / MANIFEST_NAME, {key: value for key, value in data.items() if value or key not in _NEWER})

    def files(self) -> dict[str, str]:
        """Relative path to sha256 of every file that the manifest vouches for."""
        result = {"actions.json": self.actions}
        result |= {book_name(name): facts.actions for name, facts in self.sources.items() if facts.actions}
        if self.source_looks:
            result[LOOKS_NAME] = self.source_looks
        for part, names in self.components.items():
            result |= {f"{part}/{name}": sha for name, sha in names.items()}
        return result | {f"prompts/{name}": sha for name, sha in self.prompts.items()}
