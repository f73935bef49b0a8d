"""The ring buffer: what is overwritten, what stays, and what snapshots share."""

from __future__ import annotations

import torch

from playground.core.nn.ring import MASKED, RingState, Written

L, B, S, K, E, R, N = 2, 3, 4, 1, 6, 5, 7


def _state() -> RingState:
    return RingState.empty(layers=L, batch=B, tokens=S, heads=K, head_dim=E, slots=R, previous=torch.full((B, N), -1.0))


def _frame(value: float) -> Written:
    """A frame whose row b holds the number ``value + b / 10`` everywhere (values: negative)."""
    rows = value + torch.arange(B) / 10
    keys = rows.view(1, B, 1, 1, 1).expand(L, B, S, K, E).clone()
    return Written(keys, -keys, rows.view(B, 1).expand(B, N).clone(), torch.full((B,), round(10 * value)))


def _tensors(state: RingState) -> list[torch.Tensor]:
    return state.tensors()


def _same(left: RingState, right: RingState) -> bool:
    return all(torch.equal(a, b) for a, b in zip(_tensors(left), _tensors(right), strict=True))


def test_an_empty_state_remembers_nothing() -> None:
    state = _state()
    assert state.slots == R
    assert (state.bias_BR == MASKED).all()
    assert torch.isfinite(state.bias_BR).all()
    assert (state.position_B == 0).all()
    assert (state.heard_BH == -1).all()


def test_the_oldest_frame_is_overwritten() -> None:
    state = _state()
    for t in range(R + 2):
        assert int((state.bias_BR[0] == 0).sum()) == min(t, R)
        state.write(_frame(t))
    kept = [float(x) for x in state.keys[0, 0, 0, 0, 0]]
    assert kept == [5.0, 6.0, 2.0, 3.0, 4.0]
    torch.testing.assert_close(state.values[1, 0, 0, 0, :, 0], -state.keys[1, 0, 0, 0, 0, :])
    assert (state.position_B == R + 2).all()
    torch.testing.assert_close(state.previous[:, 0], R + 1 + torch.arange(B) / 10)
    assert state.heard_BH.tolist() == [[10 * (R - 1), 10 * R, 10 * (R + 1)]] * B


def test_other_rows_keep_their_memory() -> None:
    state = _state()
    state.write(_frame(1))
    before = state.clone()
    state.write(_frame(2), rows=[1])
    assert state.position_B.tolist() == [1, 2, 1]
    for row in (0, 2):
        assert _same(state.row(row), before.row(row))
    assert not _same(state.row(1), before.row(1))


def test_rows_may_be_at_different_times() -> None:
    state = _state()
    for t in range(R + 1):
        state.write(_frame(t), rows=[2])
    state.write(_frame(9))
    assert float(state.keys[0, 0, 0, 0, 0, 0]) == 9.0
    assert state.bias_BR[0].tolist() == [0.0] + [MASKED] * (R - 1)
    torch.testing.assert_close(state.keys[0, 2, 0, 0, 0], torch.tensor([5.2, 9.2, 2.2, 3.2, 4.2]))


def test_a_snapshot_shares_nothing_with_the_state() -> None:
    state = _state()
    state.write(_frame(1))
    snapshots = {row: state.row(row) for row in range(B)}
    copies = {row: snapshot.clone() for row, snapshot in snapshots.items()}
    whole, copy = state.clone(), state.clone()
    for t in range(R):
        state.write(_frame(50 + t))
    assert all(_same(snapshots[row], copies[row]) for row in range(B))
    assert _same(whole, copy)


def test_a_snapshot_can_be_put_into_any_row() -> None:
    state = _state()
    state.write(_frame(1))
    snapshot = state.row(0)
    for t in range(3):
        state.write(_frame(20 + t))
    others = [state.row(0), state.row(1)]
    state.put_row(2, snapshot)
    assert _same(state.row(2), snapshot)
    assert _same(state.row(0), others[0])
    assert _same(state.row(1), others[1])
    state.write(_frame(30))
    assert not _same(state.row(2), snapshot), "putting copies, it does not alias"
    assert snapshot.position_B.tolist() == [1]


def test_an_undo_brings_back_every_part_of_a_row() -> None:
    state = _state()
    for t in range(R + 1):
        state.write(_frame(t))
    before, undo = state.clone(), state.undo_of(1)
    state.write(_frame(9))
    state.undo(1, undo)
    assert _same(state.row(1), before.row(1))
    assert not _same(state.row(0), before.row(0))
