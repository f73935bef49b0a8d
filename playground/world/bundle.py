"""A world: the trained parts that belong together, as one folder on disk and one object in memory.

A bundle folder holds ``world.json`` (the manifest), ``tokenizer/``, ``dynamics/`` and optionally ``latent_actions/``,
``first_frames/`` and ``intents/`` (config and safetensors), ``actions.json``, ``prompts/*.png`` and a ``README.md``;
where several games were learned also ``actions-SOURCE.json`` and ``sources.safetensors``. Loading runs no code from the
folder and is strict: whatever is missing, unknown or changed is one clear error.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from playground.core.config import config_from_dict, config_to_dict
from playground.core.errors import PlaygroundError
from playground.world.actions import ActionBook
from playground.world.files import (
    MANIFEST_NAME,
    check_files,
    check_unlisted,
    confined,
    listed,
    replaced_folder,
    sha256_of,
)
from playground.world.first_frames import OF_FIRST_FRAMES, correct
from playground.world.fit import check_fit
from playground.world.intents import understood
from playground.world.manifest import SAFE_NAME, SCHEMA_VERSION, PromptFacts, Sampling, WorldManifest
from playground.world.prompt import Prompt, require_text
from playground.world.source_files import read_looks, write_sources
from playground.world.sources import Source, book_name
from playground.world.text import check_text

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    import torch
    from torch import Tensor

    from playground.core.interfaces import Policy
    from playground.core.nn.ring import RingState, Written
    from playground.session.history import SessionSnapshot
    from playground.session.session import Session
    from playground.session.simulate import Rollout


__all__ = ["Sampling", "World", "WorldManifest", "save_world"]


class World:
    """A loaded world, ready to be played, evaluated or measured.

    Attributes:
        manifest: what ``world.json`` says.
        folder: where it came from.
        name: its name.
        frame_size: height and width of a frame in pixels.
        fps: frames per second it is meant to be played at.
        tokenizer: frames to latents and back.
        dynamics: the next frame's latents.
        latent_actions: reads actions from video; None where the bundle has none.
        first_frames: draws first frames from words; None where the dynamics does that, or the world takes no texts.
        intents: which latent action the name of an action means now; None where every key has one latent action.
        actions: names and keys of the actions; a source may have its own, see ``sources``.
        sources: what is known of each source of the training data, by name; empty in bundles that do not tell.
        captions: embedding (P,) of each caption of a shipped prompt.
        prompts: paths of the shipped prompts.
        sampling: fields of :class:`Sampling` that frames are drawn with; may be changed.
        prompt_dims: numbers of a text embedding that the dynamics takes, 0 for a world without texts.
        text_dims: length P of a text embedding, of which each part takes as many of the first numbers as it knows.
        backends: engines keep prepared backends here, so that a second engine starts at once.
    """

    def __init__(
        self,
        manifest: WorldManifest,
        folder: Path,
        parts: Mapping[str, Any],
        actions: ActionBook,
        sources: Mapping[str, Source] | None = None,
    ) -> None:
        """Put loaded parts together; use :meth:`load`."""
        self.manifest = manifest
        self.folder = folder
        self.name = manifest.name
        self.frame_size = manifest.frame_size
        self.fps = manifest.fps
        self.tokenizer = parts["tokenizer"]
        self.dynamics = parts["dynamics"]
        self.latent_actions = parts.get("latent_actions")
        self.first_frames = parts.get("first_frames")
        self.intents = parts.get("intents")
        self.actions = actions
        self.sources: dict[str, Source] = dict(sources or {})
        self.captions: dict[str, np.ndarray] = {}
        self.prompts = [folder / "prompts" / name for name in manifest.prompts]
        self.sampling: dict[str, Any] = config_to_dict(manifest.sampling)
        self.prompt_dims = int(getattr(self.dynamics.config, "prompt_dims", 0))
        self.text_dims = max(self.prompt_dims, getattr(getattr(self.first_frames, "config", None), "prompt_dims", 0))
        self.backends: dict[Any, Any] = {}
        self._encoder: Any = None
        self._encoder_lock = threading.Lock()

    @classmethod
    def load(cls, name_or_path: str | os.PathLike[str]) -> World:
        """Load a world by the name of a shipped one, or from a bundle folder.

        Raises:
            PlaygroundError: no such world, or anything in the bundle that is missing, unknown or changed.
        """
        from weights.locate import resolve

        folder = resolve(name_or_path)
        manifest = WorldManifest.load(folder)
        where = str(folder / MANIFEST_NAME)
        for part, names in manifest.components.items():
            if any("/" in name for name in names):
                raise PlaygroundError(f"{where}: {part!r} lists a path with '/'; list plain file names")
        check_files(folder, manifest.files(), where)
        for part, names in manifest.components.items():
            check_unlisted(confined(folder, part, where), names, where)
        actions = ActionBook.load(folder / "actions.json")
        books = {name: ActionBook.load(folder / book_name(name)) for name, f in manifest.sources.items() if f.actions}
        sources = {name: Source(books.get(name), facts.fps) for name, facts in manifest.sources.items()}
        world = cls(manifest, folder, _load_parts(folder, manifest), actions, sources)
        if manifest.source_looks:
            features = 2 * world.tokenizer.latent_channels
            world.sources, world.captions = read_looks(folder, manifest, sources, features, world.text_dims)
        check_fit(world, where)
        return world

    def save(self, folder: Path | str) -> Path:
        """Write this world as a bundle (see :func:`save_world`)."""
        card = self.folder / "README.md"
        return save_world(
            folder,
            name=self.name,
            fps=self.fps,
            tokenizer=self.tokenizer,
            dynamics=self.dynamics,
            latent_actions=self.latent_actions,
            first_frames=self.first_frames,
            intents=self.intents,
            actions=self.actions,
            prompts={path.stem: path for path in self.prompts},
            prompt_facts={name.removesuffix(".png"): facts for name, facts in self.manifest.prompt_facts.items()},
            sources=self.sources,
            captions=self.captions,
            sampling=self.sampling,
            text_encoder=self.manifest.text_encoder,
            licence=self.manifest.licence,
            data_statement=self.manifest.data_statement,
            card=card.read_text(encoding="utf-8") if card.is_file() else "",
        )

    def generate(self, prompt: Any = None, seed: int = 0, backend: str = "auto", threads: int | None = None) -> Session:
        """Start playing.

        Args:
            prompt: None (the first shipped prompt), its number from 0, a path, a text, a PIL image or uint8 pixels.
            seed: fixes the noise; the same prompt, seed and actions give the same frames.
            backend: what runs the models (see ``playground.engine.backends``).
            threads: compute threads; None for the engine's choice.

        Raises:
            PlaygroundError: the prompt cannot be used.
        """
        from playground.engine.engine import Engine
        from playground.session.session import Session

        made = Prompt.of(self, prompt)  # a bad prompt is told before anything slow starts
        return Session(self, Engine(self, slots=1, backend=backend, threads=threads), made, seed=seed)

    def simulate(self, state: SessionSnapshot | None, policy: Policy, horizon: int, seed: int = 0) -> Rollout:
        """Let a policy play; see :func:`playground.session.simulate.simulate`."""
        from playground.session.simulate import simulate

        return simulate(self, state, policy, horizon, seed)

    def embed(self, text: str) -> np.ndarray:
        """Embedding of a text prompt, float32 (P,), all zeros for an empty text.

        Raises:
            PlaygroundError: the world takes no texts, or its encoder is not installed.
        """
        require_text(self)
        known = self.captions.get(check_text(text))
        if known is not None:
            return known
        self.prepare_texts()
        vector_P: np.ndarray = self._encoder.encode([text])[0, : self.text_dims]
        return vector_P

    def prepare_texts(self) -> None:
        """Load the text encoder, if it is not yet: some seconds that the first text then need not wait for.

        May run in another thread than the one that plays.

        Raises:
            PlaygroundError: as :meth:`embed`.
        """
        require_text(self)
        with self._encoder_lock:
            if self._encoder is None:
                from playground.core.registry import TEXT_ENCODERS

                self._encoder = TEXT_ENCODERS.get(self.manifest.text_encoder or "hashed")()

    def draw_first_frame(self, text: str = "", seed: int = 0) -> np.ndarray:
        """Let the world imagine its first frame from a text, or from nothing: uint8 (H, W, 3).

        Raises:
            PlaygroundError: a text is given to a world without texts.
        """
        from playground.world.first_frames import draw_first_frame

        return draw_first_frame(self, text, seed)

    def redraw(self, frame_HWC: np.ndarray, text: str, seed: int = 0) -> np.ndarray:
        """A frame as a text would have it, the rest mostly kept: uint8 (H, W, 3); see there for errors."""
        from playground.world.first_frames import redraw

        return redraw(self, frame_HWC[None], self.embed(text)[None], [seed])[0]

    def draw(
        self,
        state: RingState,
        action_B: Tensor,
        prompt_BP: Tensor | None,
        generators: Sequence[torch.Generator],
        run: Callable[..., Any] | None = None,
        run_first_frames: Callable[..., Tensor] | None = None,
    ) -> tuple[Tensor, Written]:
        """``dynamics.generate`` with the world's sampling defaults: codes (B, N, ...) and what to write to memory.

        Named actions are read as what they mean now (see :mod:`playground.world.intents`). ``run`` replaces the network
        of the dynamics and ``run_first_frames`` that of the first frames.
        """
        action_B = understood(self, state, action_B)
        options = {name: x for name, x in self.sampling.items() if x is not None and name not in OF_FIRST_FRAMES}
        drawn, written = self.dynamics.generate(state, action_B, prompt_BP, generators, run=run, **options)
        if not self.sampling.get("correct_every"):
            return drawn, written
        return correct(self, state, drawn, written, action_B, prompt_BP, generators, run, run_first_frames)

    def latents(self, codes: Tensor) -> Tensor:
        """Codes of one frame a row, as the dynamics draws them, as latents (B, 1, N, C) for the decoder."""
        return self.tokenizer.dequantize(codes[:, None]) if self.dynamics.discrete else codes[:, None]


def save_world(
    folder: Path | str,
    *,
    name: str,
    fps: float,
    tokenizer: Any,
    dynamics: Any,
    actions: ActionBook,
    latent_actions: Any = None,
    first_frames: Any = None,
    intents: Any = None,
    prompts: Mapping[str, Any] | Iterable[Any] = (),
    sampling: Mapping[str, Any] | None = None,
    text_encoder: str | None = None,
    licence: str = "Apache-2.0",
    data_statement: str = "",
    card: str = "",
    sources: Mapping[str, Source] | None = None,
    prompt_facts: Mapping[str, PromptFacts] | None = None,
    captions: Mapping[str, np.ndarray] | None = None,
) -> Path:
    """Write a bundle and return its folder, which appears complete or not at all; an older bundle is replaced.

    Args:
        folder: where to.
        name: of the world.
        fps: frames per second it is meant to be played at.
        tokenizer: trained component.
        dynamics: trained component.
        actions: names and keys.
        latent_actions: trained component or None.
        first_frames: the same.
        intents: the same.
        prompts: pictures (paths, PIL images, uint8 ([T,] H, W, 3)), named by a mapping or numbered.
        sampling: fields of :class:`Sampling`.
        text_encoder: name of the encoder of the training captions.
        licence: of the weights.
        data_statement: what it was trained on.
        card: text of ``README.md``.
        sources: what is known of each source of the training data, by a name that is fit for a file.
        prompt_facts: source and caption of prompts, by the prompt's name.
        captions: embedding (P,) of each of these captions, so that a prompt's caption needs no text encoder.

    Raises:
        PlaygroundError: a part does not fit the others, or the folder holds something else than a world.
    """
    optional = {"latent_actions": latent_actions, "first_frames": first_frames, "intents": intents}
    parts = {"tokenizer": tokenizer, "dynamics": dynamics, **_given(optional)}
    with replaced_folder(Path(folder)) as temporary:
        _write_parts(temporary, parts, actions, card or f"# {name}\n")
        facts = {
            **dict(name=name, fps=fps, licence=licence, data_statement=data_statement, text_encoder=text_encoder),
            "prompts": _write_prompts(temporary / "prompts", prompts, tokenizer.frame_size),
            "sampling": dict(sampling or {}),
            **write_sources(temporary, sources or {}, prompt_facts or {}, captions or {}),
        }
        manifest = _manifest_of(temporary, parts, facts)
        check_fit(World(manifest, temporary, parts, actions, sources), f"world {name!r}")
        manifest.save(temporary)
    return Path(folder)


def _given(parts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: part for name, part in parts.items() if part is not None}


def _write_parts(folder: Path, parts: Mapping[str, Any], actions: ActionBook, card: str) -> None:
    from playground.core.component import save_component

    for part, component in parts.items():
        save_component(component, folder / part)
    actions.save(folder / "actions.json")
    (folder / "README.md").write_text(card, encoding="utf-8")


def _manifest_of(folder: Path, parts: Mapping[str, Any], facts: Mapping[str, Any]) -> WorldManifest:
    """Complete the facts of a manifest from the parts and the files that were written."""
    tokenizer, dynamics = parts["tokenizer"], parts["dynamics"]
    data = {
        "schema_version": SCHEMA_VERSION,
        "frame_size": tokenizer.frame_size,
        "grid": tokenizer.grid,
        "num_actions": dynamics.num_actions,
        "context_frames": dynamics.context_frames,
        "components": {part: listed(folder / part) for part in parts},
        "actions": sha256_of(folder / "actions.json"),
        **facts,
    }
    return config_from_dict(WorldManifest, data, f"world {facts['name']!r}")


def _write_prompts(folder: Path, prompts: Mapping[str, Any] | Iterable[Any], frame_size: int) -> dict[str, str]:
    from PIL import Image

    if not isinstance(prompts, Mapping):
        prompts = {f"{number:02d}": prompt for number, prompt in enumerate(prompts, start=1)}
    for name, prompt in prompts.items():
        if not SAFE_NAME.fullmatch(name):
            raise PlaygroundError(f"prompt name {name!r} is no file name; use letters, digits, '-' and '_'")
        if isinstance(prompt, Prompt):
            made = prompt
        elif isinstance(prompt, (str, Path)):
            made = Prompt.from_path(prompt, frame_size)
        elif hasattr(prompt, "getbands"):
            made = Prompt.from_image(prompt, frame_size)
        else:
            made = Prompt.from_array(prompt, frame_size)
        folder.mkdir(exist_ok=True)
        first, *others = [Image.fromarray(frame) for frame in made.frames_THWC]
        # Several frames become an animated PNG. No durations: Pillow would merge equal frames and a prompt that
        # stands still would lose its length.
        first.save(folder / f"{name}.png", save_all=bool(others), append_images=others)
    return {f"{name}.png": sha256_of(folder / f"{name}.png") for name in prompts}


def _load_parts(folder: Path, manifest: WorldManifest) -> dict[str, Any]:
    from playground.core.component import load_component
    from playground.core.registry import DYNAMICS, FIRST_FRAME_MODELS, INTENT_MODELS, LATENT_ACTION_MODELS, TOKENIZERS

    registries = {
        "tokenizer": TOKENIZERS,
        "dynamics": DYNAMICS,
        "latent_actions": LATENT_ACTION_MODELS,
        "first_frames": FIRST_FRAME_MODELS,
        "intents": INTENT_MODELS,
    }
    return {part: load_component(registries[part], folder / part) for part in manifest.components}
