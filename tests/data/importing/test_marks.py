"""Cuts, fades, still, black and repeated stretches, each with a known place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from playground.data.importing.cuts import mark_cuts
from playground.data.importing.duplicates import SeenWindows, WindowRecorder, mark_duplicates
from playground.data.importing.pieces import Tally, kept_pieces
from playground.data.importing.samples import Sample, thumbnail, windows
from playground.data.importing.still import mark_still
from playground.data.importing.transitions import mark_dissolves, mark_empty
from tests.data.importing.videos import scene

FPS = 15.0


def _samples(frames: Sequence[np.ndarray] | np.ndarray) -> list[Sample]:
    return [Sample(f, n / FPS, n, False, n == 0, thumbnail(f)) for n, f in enumerate(frames)]


def _place(seed: int, frames: int = 60, speed: float = 1.5) -> np.ndarray:
    return scene(seed, frames, 64, 64, speed)


def _cuts(frames: np.ndarray) -> list[int]:
    return [sample.number for sample in mark_cuts(_samples(frames)) if sample.starts and sample.number]


def test_windows_show_each_item_with_its_neighbours() -> None:
    seen = [(near[place], list(near)) for near, place in windows(range(6), 1, 2)]
    assert [item for item, _ in seen] == list(range(6))
    assert seen[0][1] == [0, 1, 2]
    assert seen[3][1] == [2, 3, 4, 5]
    assert seen[5][1] == [4, 5]


def test_every_cut_is_found_and_no_other() -> None:
    frames = np.concatenate([_place(seed, 40, speed) for seed, speed in enumerate((0.5, 1, 2, 3, 5, 1, 0.3, 2))])
    assert _cuts(frames) == [40, 80, 120, 160, 200, 240, 280]


def test_cuts_in_the_dark_are_found() -> None:
    frames = np.concatenate([_place(seed, 40) // 6 + 12 for seed in range(4)])
    assert _cuts(frames) == [40, 80, 120]


def test_a_flash_and_a_new_figure_are_no_cuts() -> None:
    frames = _place(3, 80).copy()
    frames[40] = 255 - frames[40] // 8
    frames[60:, 10:26, 10:26] = (255, 0, 255)
    assert _cuts(frames) == []


def test_fades_and_black_are_dropped() -> None:
    frames = np.concatenate([_place(1), _place(2)]).astype(np.float32)
    for step in range(15):
        frames[45 + step] *= 1 - (step + 1) / 15
        frames[60 + step] *= step / 15
    samples = list(mark_empty(_samples(frames.astype(np.uint8)), FPS))
    dropped = [sample.number for sample in samples if sample.drop]
    assert {sample.drop for sample in samples} == {"", "black", "transition"}
    assert set(range(51, 69)) <= set(dropped) <= set(range(45, 76))
    grey = list(mark_empty(_samples(np.full((5, 64, 64, 3), 120, np.uint8)), FPS))
    assert [sample.drop for sample in grey] == ["blank"] * 5


def test_dissolves_are_dropped_and_pans_are_not() -> None:
    first, second = _place(1).astype(np.float32), _place(9).astype(np.float32)
    share = np.clip((np.arange(60) - 22) / 15, 0, 1)[:, None, None, None]
    blend = (first * (1 - share) + second * share).astype(np.uint8)
    dropped = [sample.number for sample in mark_dissolves(_samples(blend), FPS) if sample.drop]
    assert dropped
    assert set(range(26, 34)) <= set(dropped) <= set(range(14, 46))
    for seed in range(6):
        pan = _place(seed, 60, speed=0.5 + seed)
        assert not [sample for sample in mark_dissolves(_samples(pan), FPS) if sample.drop]


def test_still_stretches_are_dropped_and_small_figures_count() -> None:
    moving, still = _place(1, 40), np.repeat(_place(1, 40)[-1:], 45, axis=0)
    noise = np.random.default_rng(0).integers(-2, 3, still.shape)
    noisy = np.clip(still + noise, 0, 255).astype(np.uint8)
    frames = np.concatenate([moving, noisy, moving[::-1]])
    dropped = [sample.number for sample in mark_still(_samples(frames), FPS) if sample.drop == "static"]
    assert set(range(42, 84)) <= set(dropped) <= set(range(38, 87))
    walker = np.zeros((60, 64, 64, 3), np.uint8)
    for t, frame in enumerate(walker):
        frame[30:34, t % 60 : t % 60 + 4] = 255
    assert not [sample for sample in mark_still(_samples(walker), FPS) if sample.drop]
    short = np.concatenate([moving, still[:20], moving[::-1]])
    assert not [sample for sample in mark_still(_samples(short), FPS) if sample.drop]


def _import(frames: np.ndarray, seen: SeenWindows, video: int) -> list[bool]:
    """What a run does with one video: mark, then remember what is kept."""
    recorder, kept = WindowRecorder(seen, video), []
    for sample in mark_duplicates(_samples(frames), seen, video, FPS):
        kept.append(not sample.drop)
        if not sample.drop:
            recorder.add(sample.frame_HWC, sample.number)
    return kept


def test_a_second_copy_is_dropped_wherever_it_starts() -> None:
    seen = SeenWindows(256)
    clip = _place(1, 120)
    assert all(_import(clip, seen, 0))
    noisy = np.clip(clip.astype(int) + np.random.default_rng(0).integers(-4, 5, clip.shape), 0, 255).astype(np.uint8)
    again = _import(np.concatenate([_place(2, 37), noisy[5:]]), seen, 1)
    assert all(again[:36])
    assert sum(again[37:]) <= 20
    assert all(_import(_place(3, 120), seen, 2)), "another place is no copy"


def test_one_screen_with_other_motion_is_no_copy() -> None:
    def game(seed: int) -> np.ndarray:
        rng, place = np.random.default_rng(seed), np.array([30, 30])
        frames = np.repeat(_place(7, 1), 90, axis=0)
        for frame in frames:
            place = np.clip(place + rng.integers(-4, 5, 2), 0, 54)
            frame[place[0] : place[0] + 10, place[1] : place[1] + 10] = (255, 255, 0)
        return frames

    seen = SeenWindows(256)
    assert all(_import(game(0), seen, 0))
    assert all(_import(game(1), seen, 1))
    assert not all(_import(game(0), seen, 2))


def test_a_slow_scene_is_no_copy_of_itself_and_a_loop_is() -> None:
    assert all(_import(_place(4, 150, speed=0.2), SeenWindows(256), 0))
    loop = np.tile(_place(4, 45, speed=3), (3, 1, 1, 1))
    kept = _import(loop, SeenWindows(256), 0)
    assert all(kept[:45])
    assert sum(kept[45:]) <= 30


def test_the_table_forgets_the_oldest() -> None:
    seen = SeenWindows(4)
    assert all(_import(_place(1, 60), seen, 0))
    assert all(_import(_place(2, 60), seen, 1))
    assert all(_import(_place(1, 24), seen, 2)[:8])


def test_pieces_are_long_enough_and_counted() -> None:
    samples = _samples(_place(1, 100))
    samples[30].starts = True
    for sample in samples[50:55]:
        sample.drop = "black"
    samples[60].starts = True
    tally = Tally()
    kept = list(kept_pieces(samples, 20, tally))
    assert [sample.number for sample, _ in kept] == [*range(50), *range(60, 100)]
    assert [sample.number for sample, begins in kept if begins] == [0, 30, 60]
    assert (tally.kept, tally.pieces) == (90, 3)
    assert dict(tally.dropped) == {"short": 5, "black": 5}
    assert tally.motion()["moving_share"] == 1.0
