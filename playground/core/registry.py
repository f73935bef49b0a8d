"""Named, swappable parts: a class registers under a name, a ``config.json`` refers to it by that name.

Built-in classes are imported only when asked for. Other packages add theirs through entry points in the group
``playground.<kind>``.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, TypeVar

from playground.core.errors import PlaygroundError, suggest

ClassT = TypeVar("ClassT", bound=type)


class Registry:
    """Maps a name to a class of one kind (for example ``tokenizer``)."""

    def __init__(self, kind: str, builtin: dict[str, str]) -> None:
        """Create a registry.

        Args:
            kind: what the names stand for; used in messages and in the entry-point group.
            builtin: name to ``"module:Class"``, imported on first use.
        """
        self.kind = kind
        self.entry_point_group = f"playground.{kind.replace(' ', '_')}"
        self._builtin = builtin
        self._classes: dict[str, Any] = {}

    def register(self, name: str) -> Callable[[ClassT], ClassT]:
        """Class decorator that adds a class under ``name``; a name can be taken once."""

        def add(cls: ClassT) -> ClassT:
            taken = self._classes.get(name)
            if taken is not None and taken is not cls:
                raise PlaygroundError(f"two classes register as {self.kind} {name!r}; rename one of them")
            self._classes[name] = cls
            return cls

        return add

    def names(self) -> list[str]:
        """Every known name, sorted: registered, built in and from entry points."""
        plugins = {point.name for point in entry_points(group=self.entry_point_group)}
        return sorted({*self._classes, *self._builtin, *plugins})

    def get(self, name: str) -> Any:
        """Return the class (or function) registered as ``name``.

        Raises:
            PlaygroundError: no such name; the message lists the known ones and suggests the closest.
        """
        if name not in self._classes:
            self._classes[name] = self._import(name)
        return self._classes[name]

    def _import(self, name: str) -> Any:
        if name in self._builtin:
            module, _, attribute = self._builtin[name].partition(":")
            return getattr(import_module(module), attribute)
        for point in entry_points(group=self.entry_point_group):
            if point.name == name:
                return point.load()
        known = self.names()
        raise PlaygroundError(f"unknown {self.kind} {name!r}.{suggest(name, known)} Known: {', '.join(known)}.")


TOKENIZERS = Registry("tokenizer", {"autoencoder": "tokenizer.model:AutoencoderTokenizer"})
LATENT_ACTION_MODELS = Registry(
    "latent action model",
    {
        "latent": "latent_actions.model:LatentActionModel",
        "labelled": "latent_actions.labelled:LabelledActionModel",
    },
)
DYNAMICS = Registry(
    "dynamics",
    {"shortcut": "dynamics.shortcut:ShortcutDynamics", "maskgit": "dynamics.maskgit:MaskgitDynamics"},
)
INTENT_MODELS = Registry("intent model", {"latents": "latent_actions.intents:IntentModel"})
FIRST_FRAME_MODELS = Registry("first frame model", {"diffusion": "dynamics.first_frames:FirstFrameDiffusion"})
COLLECTORS = Registry(
    "collector",
    {
        "coinrun": "playground.data.worlds.coinrun:CoinrunCollector",
        "crafter": "playground.data.worlds.crafter:CrafterCollector",
        "doom": "playground.data.worlds.doom:DoomCollector",
        "flyover": "playground.data.worlds.flyover:FlyoverCollector",
        "procgen": "playground.data.worlds.procgen:ProcgenCollector",
        "racing": "playground.data.worlds.racing:RacingCollector",
    },
)
BACKENDS = Registry(
    "backend",
    {
        "eager": "playground.engine.backends.eager:EagerBackend",
        "int8": "playground.engine.backends.int8:Int8Backend",
        "openvino": "playground.engine.backends.openvino:OpenVinoBackend",
        "openvino-f32": "playground.engine.backends.openvino:OpenVinoFloatBackend",
        "onnx": "playground.engine.backends.onnx:OnnxBackend",
        "cudagraph": "playground.engine.backends.cudagraph:CudaGraphBackend",
    },
)
POLICIES = Registry(
    "policy",
    {
        "random": "playground.agents.policies:RandomPolicy",
        "sticky": "playground.agents.policies:StickyPolicy",
        "scripted": "playground.agents.policies:ScriptedPolicy",
    },
)
TEXT_ENCODERS = Registry(
    "text encoder",
    {"hashed": "playground.world.text:HashedEncoder", "minilm": "playground.world.text:MiniLMEncoder"},
)
