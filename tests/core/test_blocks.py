"""Shared layers: shapes, the identity at the start, and pixels."""

from __future__ import annotations

import torch
from torch import nn

from playground.core.nn.blocks import (
    ConvBlock,
    RMSNorm,
    SpaceAttention,
    SpaceBlock,
    conv_down,
    conv_up,
    to_frames,
    to_pixels,
)
from playground.core.sampling import make_generator
from tests.contracts.cases import randomise


def test_pixels_round_trip_exactly() -> None:
    frames = torch.arange(256, dtype=torch.uint8).reshape(1, 2, 8, 16, 1).expand(3, 2, 8, 16, 3).contiguous()
    pixels = to_pixels(frames)
    assert pixels.shape == (6, 3, 8, 16)
    assert float(pixels.min()) == -1.0
    assert float(pixels.max()) == 1.0
    assert torch.equal(to_frames(pixels, batch=3), frames)


def test_pixels_keep_frames_and_channels_apart() -> None:
    frames = torch.randint(0, 256, (2, 3, 4, 4, 3), dtype=torch.uint8, generator=make_generator(0))
    pixels = to_pixels(frames)
    torch.testing.assert_close(pixels[1 * 3 + 2, 1, 3, 0], frames[1, 2, 3, 0, 1].float() / 127.5 - 1)


def test_colours_out_of_range_are_clamped_not_wrapped() -> None:
    frames = to_frames(torch.tensor([-7.0, 7.0]).view(2, 1, 1, 1).expand(2, 3, 1, 1), batch=1)
    assert frames[0, :, 0, 0, 0].tolist() == [0, 255]


def test_a_norm_computes_in_the_format_that_comes_in() -> None:
    norm, plain = RMSNorm(32), nn.RMSNorm(32)
    with torch.no_grad():
        norm.weight.copy_(torch.rand(32, generator=make_generator(0)))
    plain.load_state_dict(norm.state_dict())
    x = torch.randn(4, 32, generator=make_generator(1))
    assert torch.equal(norm(x), plain(x))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = norm(x.bfloat16())
    assert mixed.dtype == torch.bfloat16
    torch.testing.assert_close(mixed.float(), plain(x), atol=0.03, rtol=0.02)
    mixed.sum().backward()
    assert norm.weight.grad is not None
    assert norm.weight.grad.dtype == torch.float32


def test_residual_blocks_start_as_the_identity() -> None:
    x_BSD, x_BCHW = torch.randn(2, 5, 32), torch.randn(2, 8, 4, 4)
    torch.testing.assert_close(SpaceBlock(32)(x_BSD), x_BSD)
    block = ConvBlock(8)
    nn.init.zeros_(block.second.bias)
    torch.testing.assert_close(block(x_BCHW), x_BCHW)


def test_space_attention_mixes_tokens_of_one_frame_only() -> None:
    layer = randomise(SpaceAttention(32), 0)
    x_BSD = torch.randn(2, 5, 32, generator=make_generator(0))
    changed = x_BSD.clone()
    changed[0, 0] += 1
    difference = (layer(changed) - layer(x_BSD)).abs().amax(dim=-1)
    assert (difference[0] > 1e-5).all()
    assert (difference[1] == 0).all()


def test_space_attention_does_not_depend_on_the_order_of_tokens() -> None:
    layer = randomise(SpaceAttention(64, head_dim=32), 0)
    x_BSD = torch.randn(1, 6, 64, generator=make_generator(0))
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    torch.testing.assert_close(layer(x_BSD[:, order]), layer(x_BSD)[:, order])


def test_convolutions_halve_and_double() -> None:
    x_BCHW = torch.randn(2, 3, 32, 32)
    small = conv_down((8, 16, 24))(x_BCHW)
    assert small.shape == (2, 24, 4, 4)
    assert conv_up((24, 16, 8))(small).shape == (2, 3, 32, 32)


def test_the_finest_level_has_residual_blocks_only_where_asked() -> None:
    down, up = conv_down((8, 16), blocks=2), conv_up((16, 8), blocks=2)
    finer = conv_up((16, 8), blocks=2, finest_blocks=1)
    for layers, widths in ((down, [16, 16]), (up, [16, 16]), (finer, [16, 16, 8])):
        assert [layer.first.in_channels for layer in layers if isinstance(layer, ConvBlock)] == widths


def test_a_residual_block_starts_as_the_identity() -> None:
    x_BCHW = torch.randn(2, 8, 4, 4)
    assert torch.equal(ConvBlock(8)(x_BCHW), x_BCHW)
