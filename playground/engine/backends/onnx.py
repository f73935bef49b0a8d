"""ONNX Runtime: the exported networks in float32, on whatever CPU the runtime was built for."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from playground.core.errors import PlaygroundError
from playground.core.registry import BACKENDS
from playground.engine.backends.fixed import FixedRowsBackend, Graph

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from playground.world.bundle import World

logger = logging.getLogger(__name__)


@BACKENDS.register("onnx")
class OnnxBackend(FixedRowsBackend):
    """Sessions over ``playground.engine.export``; the exported files are kept in the user's cache folder."""

    name: str = "onnx"

    def __init__(self, world: World) -> None:
        """Export for one row, or read what was exported before.

        Raises:
            PlaygroundError: ONNX Runtime is not installed, or ``onnx`` is missing for a first export.
        """
        import torch

        try:
            import onnxruntime
        except ImportError as error:
            raise PlaygroundError(
                "the onnx backend needs ONNX Runtime; install it with: pip install onnx onnxruntime"
            ) from error
        from playground.engine.compiled import CompiledCache, world_facts

        self._options = onnxruntime.SessionOptions()
        self._options.intra_op_num_threads = torch.get_num_threads()
        self._options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._options.log_severity_level = 3
        self._cache = CompiledCache()
        self._facts = {
            "made by": ["onnx", torch.__version__],
            **world_facts(world),
        }
        super().__init__(world)

    def compile_step(self, rows: int) -> Graph:
        """The dynamics step for ``rows`` rows."""
        from playground.engine.export import step_names, step_onnx

        return self._graph("step", rows, step_onnx, step_names(self.world))

    def compile_decoder(self, rows: int) -> Graph:
        """The decoder for ``rows`` rows."""
        from playground.engine.export import decoder_onnx

        return self._graph("decoder", rows, decoder_onnx, ["latents"])

    def _graph(self, part: str, rows: int, export: Callable[[World, int], bytes], names: list[str]) -> Graph:
        key = {**self._facts, "part": part, "rows": rows}
        session = self._restored(key)
        if session is None:
            data = export(self.world, rows)
            self._cache.put(key, data)
            session = self._session(data)
        return _call_of(session, names)

    def _restored(self, key: Any) -> Any:
        data = self._cache.get(key)
        if data is None:
            return None
        try:
            return self._session(data)
        except Exception as error:  # the runtime has a class of its own for every kind of damage
            logger.info("exporting again, the kept model cannot be read: %s", error)
            self._cache.drop(key)
            return None

    def _session(self, data: bytes) -> Any:
        import onnxruntime

        return onnxruntime.InferenceSession(data, self._options, providers=["CPUExecutionProvider"])


def _call_of(session: Any, names: list[str]) -> Graph:
    import torch

    # An input that the network never uses is not part of the exported graph.
    used = {item.name for item in session.get_inputs()}

    def call(inputs: list[Tensor]) -> list[Tensor]:
        named = zip(names, inputs, strict=True)
        feed = {name: tensor.contiguous().numpy() for name, tensor in named if name in used}
        return [torch.from_numpy(array) for array in session.run(None, feed)]

    return call
