"""The trunk under both heads: size, conditions and prompts."""

from __future__ import annotations

import torch

from dynamics.config import DynamicsConfig
from dynamics.trunk import Trunk
from playground.core.sampling import make_generator
from tests.contracts.cases import randomise

CONFIG = DynamicsConfig(
    tokens_per_frame=16, latent_channels=4, num_actions=3, prompt_dims=6, width=32, depth=5, time_every=2, registers=2
)


def test_tokens_and_time_layers() -> None:
    trunk = Trunk(CONFIG)
    assert trunk.tokens == 4 + 1 + 1 + 2, "packed latents, action, prompt, registers"
    assert trunk.time_layers == 3
    assert [block.time is not None for block in trunk.blocks] == [True, False, True, False, True]


@torch.no_grad()
def test_every_part_of_the_condition_counts() -> None:
    trunk = randomise(Trunk(CONFIG), 0)
    base = trunk.condition(torch.tensor(0.25), torch.tensor(1), torch.tensor(1))
    for level, step, action in ((0.5, 1, 1), (0.25, 2, 1), (0.25, 1, 2)):
        other = trunk.condition(torch.tensor(level), torch.tensor(step), torch.tensor(action))
        assert not torch.allclose(base, other, atol=1e-3)


@torch.no_grad()
def test_a_prompt_of_zeros_is_no_prompt_row_by_row() -> None:
    trunk = randomise(Trunk(CONFIG), 0)
    packed, action = torch.randn(2, 4, 32, generator=make_generator(0)), torch.tensor([0, 1])
    prompt = torch.randn(2, 6, generator=make_generator(1))
    none = trunk.assemble(packed, action, None)
    half = prompt.clone()
    half[0] = 0
    mixed = trunk.assemble(packed, action, half)
    assert torch.equal(mixed[0], none[0])
    assert not torch.allclose(mixed[1], none[1])
    assert torch.equal(mixed[1], trunk.assemble(packed, action, prompt)[1])


@torch.no_grad()
def test_a_day_of_play_is_as_exact_as_the_first_second() -> None:
    from playground.core.nn.rope import rotary_angles

    trunk = randomise(Trunk(CONFIG), 0)
    x_BSD = torch.randn(1, trunk.tokens, 32, generator=make_generator(0))
    modulations = trunk.modulations(torch.randn(1, 32, generator=make_generator(1)))
    outputs = []
    for start in (0, 15 * 3600 * 24):
        keys = torch.zeros(3, 1, trunk.tokens, 1, 32, 4)
        values, bias = torch.zeros(3, 1, trunk.tokens, 1, 4, 32), torch.full((1, 4), -1e9)
        for t in range(4):
            rotary = rotary_angles(torch.tensor([start + t]), 32)
            out, new_keys, new_values = trunk.step(x_BSD + t, modulations, rotary, (keys, values, bias))
            keys[..., t], values[..., t, :], bias[:, t] = new_keys, new_values, 0.0
        outputs.append(out)
    torch.testing.assert_close(outputs[0], outputs[1], rtol=1e-3, atol=1e-3)
