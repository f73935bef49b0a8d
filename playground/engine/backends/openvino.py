"""OpenVINO: the dynamics step and the decoder as compiled graphs, the fastest on most CPUs.

Making the graphs takes some seconds, so they are kept in the user's cache folder, one set for each bundle, machine,
number of rows and threads.
"""

from __future__ import annotations

import io
import logging
import sys
from abc import abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from playground.core.errors import PlaygroundError
from playground.core.registry import BACKENDS
from playground.engine.backends.fixed import FixedRowsBackend, Graph

if TYPE_CHECKING:
    from torch import Tensor, nn

    from playground.world.bundle import World

logger = logging.getLogger(__name__)


class _OpenVino(FixedRowsBackend):
    """Graphs for this CPU, made by subclasses from their own version of the networks."""

    split: ClassVar[bool] = True

    def __init__(self, world: World) -> None:
        """Compile for one row, or read what was compiled before.

        Raises:
            PlaygroundError: OpenVINO is not installed.
        """
        import torch

        try:
            openvino = quiet_openvino()
        except ImportError as error:
            raise PlaygroundError(
                f"the {self.name} backend needs OpenVINO; install it with: pip install 'playground-worlds[fast]'"
            ) from error
        from playground.engine.compiled import CompiledCache, world_facts

        self._core = openvino.Core()
        self._threads = torch.get_num_threads()
        self._cache = CompiledCache()
        self._facts = {
            "made by": [self.name, openvino.__version__, torch.__version__],
            "machine": self._core.get_property("CPU", "FULL_DEVICE_NAME"),
            "threads": self._threads,
            **world_facts(world),
        }
        self._first_frames: dict[int, Graph] = {}
        if world.sampling.get("correct_every"):
            self.run_first_frames = self._corrections
        super().__init__(world)

    def prepare(self, slots: int) -> None:
        """Compile for ``slots`` rows, corrections too: to follow a text they run two rows, with it and without."""
        from playground.world.first_frames import knows_words

        with self._lock:
            super().prepare(slots)
            if self.run_first_frames is not None:
                for rows in (slots, 2 * slots) if knows_words(self.world) else (slots,):
                    self._first_frames_for(rows)

    @abstractmethod
    def networks(self) -> tuple[nn.Module, nn.Module]:
        """The dynamics network and the tokenizer that are compiled."""

    def compile_step(self, rows: int) -> Graph:
        """The dynamics step for ``rows`` rows."""
        shape = self.shape
        return self._graph("step", rows, lambda: (shape.module(self._networks[0]), shape.example(rows)))

    def compile_decoder(self, rows: int) -> Graph:
        """The decoder for ``rows`` rows."""
        from playground.engine.static import StaticDecoder, decoder_input

        return self._graph(
            "decoder", rows, lambda: (StaticDecoder(self._networks[1]), [decoder_input(self.world, rows)])
        )

    def _corrections(self, *inputs: Tensor) -> Tensor:
        with self._lock:
            (clean,) = self._first_frames_for(len(inputs[0]))(list(inputs))
        return clean

    def _first_frames_for(self, rows: int) -> Graph:
        # In float32: what brings pictures back to real ones should not be rounded itself.
        from playground.engine.static import first_frame_inputs

        if rows not in self._first_frames:
            model: Any = self.world.first_frames
            graph = self._graph("first frames", rows, lambda: (model, first_frame_inputs(model, rows)))
            self._first_frames[rows] = graph
        return self._first_frames[rows]

    @cached_property
    def _networks(self) -> tuple[nn.Module, nn.Module]:
        return self.networks()

    def _graph(self, part: str, rows: int, make: Callable[[], tuple[nn.Module, list[Tensor]]]) -> Graph:
        key = {**self._facts, "part": part, "rows": rows}
        compiled = self._restored(key)
        if compiled is None:
            compiled = self._core.compile_model(convert(*make()), "CPU", self._settings())
            blob = io.BytesIO()
            compiled.export_model(blob)
            self._cache.put(key, blob.getvalue())
        return _request_of(compiled)

    def _restored(self, key: Any) -> Any:
        data = self._cache.get(key)
        if data is None:
            return None
        try:
            return self._core.import_model(io.BytesIO(data), "CPU", self._settings())
        except RuntimeError as error:  # a file of another build; the reader has no narrower error
            logger.info("compiling again, the kept model cannot be read: %s", error)
            self._cache.drop(key)
            return None

    def _settings(self) -> dict[str, Any]:
        # bfloat16 needs matrix units to pay; without them it was slower than float32 on every CPU that was tried.
        return {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            "INFERENCE_NUM_THREADS": self._threads,
            "INFERENCE_PRECISION_HINT": "f32",
        }


@BACKENDS.register("openvino")
class OpenVinoBackend(_OpenVino):
    """8-bit weights and activations in all large layers, with ranges measured on the world's own rollouts."""

    name: str = "openvino"

    def networks(self) -> tuple[nn.Module, nn.Module]:
        """Rounded copies."""
        from playground.engine.quantised import measured_ranges, quantised

        steps, decoder = measured_ranges(self.world)
        return quantised(self.world.dynamics.network, steps), quantised(self.world.tokenizer, decoder)


@BACKENDS.register("openvino-f32")
class OpenVinoFloatBackend(_OpenVino):
    """Equal to eager float32 up to rounding."""

    name: str = "openvino-f32"

    def networks(self) -> tuple[nn.Module, nn.Module]:
        """The world's own."""
        return self.world.dynamics.network, self.world.tokenizer


def quiet_openvino() -> Any:
    """The package, which reports nothing to its makers.

    It would report every conversion, each time from a fork of this process, by a package that it treats as optional.
    Without that a player's machine stays silent and starts seconds sooner.

    Raises:
        ImportError: OpenVINO is not installed.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def convert(module: nn.Module, example: list[Tensor]) -> Any:
    """An OpenVINO model of a module with the shapes of ``example``."""
    import warnings

    import torch

    openvino = quiet_openvino()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns about every shape that becomes a constant, which is the point
        traced = torch.jit.trace(module.eval(), tuple(example), check_trace=False)
        model = openvino.convert_model(traced, example_input=tuple(example))
    model.reshape({port: list(tensor.shape) for port, tensor in zip(model.inputs, example, strict=True)})
    return model


def _request_of(compiled: Any) -> Graph:
    import torch

    openvino = quiet_openvino()
    request, outputs = compiled.create_infer_request(), range(len(compiled.outputs))

    def call(inputs: list[Tensor]) -> list[Tensor]:
        # The tensors must live until `infer` is over; OpenVINO reads them where they are.
        arrays = [tensor.contiguous().numpy() for tensor in inputs]
        for index, array in enumerate(arrays):
            request.set_input_tensor(index, openvino.Tensor(array, shared_memory=True))
        request.infer()
        return [torch.from_numpy(request.get_output_tensor(index).data.copy()) for index in outputs]

    return call
