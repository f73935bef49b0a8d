"""Every model comes back from disk as it was written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from playground.core.component import Component, load_component, save_component
from playground.core.registry import DYNAMICS, FIRST_FRAME_MODELS, INTENT_MODELS, LATENT_ACTION_MODELS, TOKENIZERS
from tests.contracts.cases import build, parameters

every_model = pytest.mark.parametrize(
    "case",
    [
        case
        for kind in (TOKENIZERS, LATENT_ACTION_MODELS, DYNAMICS, FIRST_FRAME_MODELS, INTENT_MODELS)
        for case in parameters(kind)
    ],
)


@every_model
def test_a_model_is_a_component(case: Any) -> None:
    model = build(case)
    assert isinstance(model, Component)
    assert model.type_name == case[1]
    assert model.config == type(model).Config(**case[2])


@every_model
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_save_and_load(case: Any, dtype: torch.dtype, tmp_path: Path) -> None:
    model = build(case)
    for buffer in model.buffers():
        if buffer.is_floating_point():
            buffer.add_(0.37)
    save_component(model, tmp_path, dtype)
    back = load_component(case[0], tmp_path)
    assert type(back) is type(model)
    assert back.config == model.config
    assert not back.training
    for name, tensor in model.state_dict().items():
        rounded = tensor.to(dtype).to(tensor.dtype) if tensor.is_floating_point() else tensor
        assert torch.equal(back.state_dict()[name], rounded), name
