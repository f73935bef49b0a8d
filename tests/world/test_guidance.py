"""First frames under guidance: 1 is the plain model, 0 the one without a text, beyond 1 the text counts more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from playground.core.errors import PlaygroundError
from playground.core.sampling import make_generator
from playground.world.bundle import World
from playground.world.guidance import guided
from tests.tiny_world import make_tiny_world


@pytest.fixture(scope="module", params=["shortcut", "maskgit"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> World:
    """An untrained world of texts."""
    return World.load(make_tiny_world(Path(tmp_path_factory.mktemp("world")) / "w", head=request.param, texts=True))


def first_frame(world: World, text: str, guidance: float | None) -> np.ndarray:
    world.sampling["guidance"] = guidance
    return world.draw_first_frame(text, seed=3)


def test_one_is_the_plain_model_and_zero_the_one_without_a_text(world: World) -> None:
    plain, untold = first_frame(world, "a red canyon", None), first_frame(world, "", None)
    assert (plain != untold).any()
    np.testing.assert_array_equal(first_frame(world, "a red canyon", 1.0), plain)
    np.testing.assert_array_equal(first_frame(world, "a red canyon", 0.0), untold)
    np.testing.assert_array_equal(first_frame(world, "", 5.0), untold)
    assert (first_frame(world, "a red canyon", 5.0) != plain).any()


def test_what_is_read_out_goes_past_the_plain_answer(world: World) -> None:
    dynamics = world.dynamics
    seen: list[torch.Tensor] = []

    def spy(*inputs: Any) -> Any:
        seen.append(dynamics.network(*inputs)[0])
        return dynamics.network(*inputs)

    network = guided(spy, 3.0)
    outs: list[torch.Tensor] = []

    def run(*inputs: Any) -> Any:
        outs.append(network(*inputs)[0])
        return network(*inputs)

    prompt_BP = torch.from_numpy(world.embed("a red canyon"))[None]
    with torch.inference_mode():
        dynamics.generate(dynamics.new_state(1), torch.tensor([0]), prompt_BP, [make_generator(0)], 1, run=run)
    torch.testing.assert_close(outs[0], seen[1] + 3.0 * (seen[0] - seen[1]), rtol=1e-4, atol=1e-4)


def test_guidance_is_kept_and_checked(world: World, tmp_path: Path) -> None:
    world.sampling["guidance"] = 2.5
    again = World.load(world.save(tmp_path / "w"))
    assert again.manifest.sampling.guidance == 2.5
    state = again.dynamics.new_state(1)
    again.draw(state, torch.tensor([0]), None, [make_generator(0)])  # play takes no notice
    with pytest.raises(ValueError, match="guidance"):
        replace(again.manifest.sampling, guidance=-1.0)
    silent = World.load(make_tiny_world(tmp_path / "silent"))
    silent.sampling["guidance"] = 2.0
    with pytest.raises(PlaygroundError, match="guidance"):
        silent.save(tmp_path / "bad")
