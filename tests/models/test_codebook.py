"""The codebook on the sphere: nearest codes, gradients, and codes that are brought back to life."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from latent_actions.codebook import Codebook
from latent_actions.config import LatentActionConfig
from latent_actions.model import LatentActionModel
from playground.core.sampling import make_generator
from tests.contracts.cases import make_frames

DIRECTIONS = torch.eye(4)


def _codebook(reseed_after: int = 3) -> Codebook:
    book = Codebook(codes=4, channels=4, reseed_after=reseed_after)
    with torch.no_grad():
        book.vectors_AD.copy_(2 * DIRECTIONS)
    return book


def _cloud(direction: int, count: int = 40) -> torch.Tensor:
    return 5 * DIRECTIONS[direction] + 0.1 * torch.randn(count, 4, generator=make_generator(direction))


def test_the_code_with_the_smallest_angle_is_chosen() -> None:
    book = _codebook().eval()
    vectors, ids, _, _ = book(torch.tensor([[0.1, 9.0, 0.0, 0.0], [0.0, 0.0, -1.0, 0.01]]))
    assert ids.tolist() == [1, 3]
    torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(2))
    torch.testing.assert_close(vectors[0], DIRECTIONS[1])


def test_gradients_reach_features_and_codes_apart() -> None:
    book = _codebook()
    features = torch.randn(8, 4, generator=make_generator(0), requires_grad=True)
    vectors, _, codebook_loss, commitment_loss = book(features)
    vectors[:, 0].sum().backward(retain_graph=True)
    assert bool((features.grad != 0).any()), "straight through"
    assert book.vectors_AD.grad is None
    features.grad = None
    codebook_loss.backward(retain_graph=True)
    assert features.grad is None
    assert bool((book.vectors_AD.grad != 0).any())
    book.vectors_AD.grad = None
    commitment_loss.backward()
    assert bool((features.grad != 0).any())
    assert book.vectors_AD.grad is None


def test_dead_codes_are_moved_to_where_features_are() -> None:
    book = _codebook(reseed_after=3).train()
    features = torch.cat((_cloud(0), _cloud(1)))  # codes 2 and 3 are never chosen
    for step in range(3):
        assert book.reseed() == 0, step
        book(features)
    assert book.reseed() == 2
    moved = F.normalize(book.vectors_AD.detach(), dim=-1)[2:]
    nearest = (moved @ F.normalize(features, dim=-1).T).amax(dim=-1)
    assert (nearest > 0.999).all()
    assert book.reseed() == 0, "a moved code gets time to be used"
    book(features)
    _, ids, _, _ = book(features)
    assert ids.unique().numel() >= 3


def test_a_dead_code_moves_to_the_feature_that_fits_worst() -> None:
    book = _codebook(reseed_after=1).train()
    outlier = torch.tensor([[3.0, 3.0, -3.0, -3.0]])  # nearest to codes 0 and 1, but to neither well
    book(torch.cat((_cloud(0, 20), outlier, _cloud(1, 20))))
    book.reseed()
    torch.testing.assert_close(book.vectors_AD.detach()[2], F.normalize(outlier, dim=-1)[0])


def test_used_codes_stay_where_they_are() -> None:
    book = _codebook(reseed_after=3).train()
    before = book.vectors_AD.detach().clone()
    for step in range(9):
        book(torch.cat([_cloud(d, 5) for d in range(4) if d != step % 2]))  # codes 0 and 1 rest, but not for long
    assert book.reseed() == 0
    assert torch.equal(book.vectors_AD, before)


def test_small_batches_re_seed_to_real_features_only() -> None:
    book = _codebook(reseed_after=2).train()
    features = _cloud(0, 3)
    for _ in range(2):
        book(features)
    assert book.reseed() == 3
    torch.testing.assert_close(book.vectors_AD.detach()[1:].norm(dim=-1), torch.ones(3))
    assert (F.normalize(book.vectors_AD.detach(), dim=-1)[:, 0] > 0.9).all()


def test_inference_does_not_count_as_use() -> None:
    book = _codebook(reseed_after=1).eval()
    book(_cloud(0))
    assert (book.idle_A == 0).all()
    assert (book.recent_BD == 0).all()


def test_the_model_re_seeds_through_after_step() -> None:
    fields = {"frame_size": 32, "input_size": 16, "num_actions": 6, "code_channels": 4, "widths": (8, 16)}
    model = LatentActionModel(LatentActionConfig(**fields, reseed_after=4)).train()
    frames = make_frames(32, batch=1, frames=2)  # one pair: at most one code in use
    moved = []
    for _ in range(4):
        model.loss(frames, make_generator(0))
        moved.append(model.after_step())
    assert moved == [0, 0, 0, 5]
