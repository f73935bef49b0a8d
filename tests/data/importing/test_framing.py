"""Scale, window, rotation and borders: what of a picture ends up in a frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from playground.data.importing.borders import borders_of, find_borders
from playground.data.importing.decode import UnreadableVideo, Video, check_picture_size
from playground.data.importing.framing import Box, Framer, display_turn, plan_framing, turn_upright
from tests.data.importing.videos import scene, write_video

pytest.importorskip("av")
UPRIGHT = np.eye(2, dtype=np.int64)


def _picture(array: np.ndarray):
    import av

    return av.VideoFrame.from_ndarray(np.ascontiguousarray(array), format="rgb24")


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (1080, 1920), (640, 480), (65, 33), (8, 8), (641, 359)])
@pytest.mark.parametrize("box", [Box(), Box(0.1, 0.0, 0.9, 1.0), Box(0.0, 0.13, 1.0, 0.87)])
@pytest.mark.parametrize("fit", ["crop", "letterbox"])
def test_windows_lie_inside_the_content(width: int, height: int, box: Box, fit: str) -> None:
    plan = plan_framing(width, height, 1.0, box, fit, 64)
    assert max(plan.window_width, plan.window_height) == 64
    over = 1e-6 if fit == "crop" else 1.0
    assert plan.left >= box.left * plan.width - over
    assert plan.top >= box.top * plan.height - over
    assert plan.left + plan.window_width <= box.right * plan.width + over
    assert plan.top + plan.window_height <= box.bottom * plan.height + over
    # The shape of things is kept to about a pixel.
    assert abs(plan.width / plan.height * height / width - 1) < 1.5 / min(plan.width, plan.height)
    if fit == "crop":
        assert plan.window_width == plan.window_height == 64


def test_shrinking_averages_areas() -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (512, 512, 3), dtype=np.uint8)
    frame = Framer(64, "crop", Box(), 1.0, UPRIGHT)(_picture(picture))
    expected = np.asarray(Image.fromarray(picture).resize((64, 64), Image.Resampling.BOX))
    assert np.abs(frame.astype(int) - expected).mean() < 1.5


def test_neighbouring_pixels_keep_their_own_colours() -> None:
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, (np.arange(256) // 4) % 2 == 0] = (220, 30, 30)
    stripes[:, (np.arange(256) // 4) % 2 == 1] = (30, 30, 220)
    import av

    picture = av.VideoFrame.from_ndarray(stripes, format="rgb24").reformat(format="yuv420p")
    frame = Framer(64, "crop", Box(), 1.0, UPRIGHT)(picture).astype(int)
    difference = frame[8:-8, 8:-8:2] - frame[8:-8, 9:-8:2]
    assert difference[..., 0].min() > 120
    assert difference[..., 2].max() < -120


def test_letterbox_keeps_everything_between_bars() -> None:
    picture = np.full((90, 160, 3), 200, np.uint8)
    framer = Framer(64, "letterbox", Box(), 1.0, UPRIGHT)
    frame = framer(_picture(picture))
    rows, columns = framer.content
    assert (rows.start, rows.stop, columns.start, columns.stop) == (14, 50, 0, 64)
    assert frame[rows, columns].min() > 195
    assert frame[:14].max() == frame[50:].max() == 0


def test_crop_takes_the_middle() -> None:
    picture = np.zeros((100, 300, 3), np.uint8)
    picture[:, 100:200] = 255
    frame = Framer(64, "crop", Box(), 1.0, UPRIGHT)(_picture(picture))
    assert frame[:, 1:-1].min() > 250


def test_sizes_that_cannot_be_handled_are_refused() -> None:
    for width, height in ((8, 8), (8192, 4320), (4320, 8192), (2000, 100)):
        check_picture_size(width, height)
    for width, height, why in ((7, 7, "too small"), (16384, 16384, "too large"), (2100, 100, "a strip")):
        with pytest.raises(UnreadableVideo, match=why):
            check_picture_size(width, height)


def test_wide_pixels_are_stretched() -> None:
    plan = plan_framing(720, 576, 16 / 11, Box(), "letterbox", 64)
    assert plan.window_height == round(64 * 576 / (720 * 16 / 11))


@pytest.mark.parametrize("degrees", [0, 90, -90, 180])
def test_phone_rotation_is_undone(tmp_path: Path, degrees: int) -> None:
    upright = np.zeros((96, 96, 3), np.uint8)
    upright[:48, :48], upright[:48, 48:], upright[48:, :48] = (250, 20, 20), (20, 250, 20), (20, 20, 250)
    # The matrix says how far to turn anticlockwise; the camera stored the picture turned the other way.
    stored = np.rot90(upright, -degrees // 90)
    path = write_video(tmp_path / "phone.mp4", [stored] * 3, rotation=degrees)
    with Video(path) as video:
        picture = next(iter(video.frames())).frame
        turn = display_turn(picture)
        frame = Framer(64, "crop", Box(), 1.0, turn)(picture)
    expected = np.asarray(Image.fromarray(upright).resize((64, 64), Image.Resampling.BOX)).astype(int)
    assert np.abs(frame.astype(int) - expected).mean() < 12
    assert np.array_equal(turn, UPRIGHT) == (degrees == 0)


def test_every_turn_and_flip_is_a_different_picture() -> None:
    picture = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    signs = [(x, y) for x in (1, -1) for y in (1, -1)]
    turns = [np.array([[x, 0], [0, y]]) for x, y in signs] + [np.array([[0, x], [y, 0]]) for x, y in signs]
    assert len({turn_upright(picture, turn).tobytes() for turn in turns}) == 8


def _lumas(width: int, height: int, seed: int = 3) -> list[np.ndarray]:
    frames = scene(seed, 40, width, height, speed=4)
    return [frame.mean(2).astype(np.uint8) for frame in frames[::4]]


@pytest.mark.parametrize("level", [0, 16, 128])
def test_bars_are_found(level: int) -> None:
    rng = np.random.default_rng(1)
    lumas = []
    for luma in _lumas(200, 160):
        picture = np.full((200, 200), level, np.uint8) + rng.integers(0, 3, (200, 200), dtype=np.uint8)
        picture[20:180] = luma
        lumas.append(picture)
    box = borders_of(lumas)
    assert 0.1 <= box.top <= 0.11
    assert 0.89 <= box.bottom <= 0.9
    assert (box.left, box.right) == (0, 1)


def test_window_box_is_found_on_four_sides() -> None:
    lumas = []
    for luma in _lumas(120, 100):
        picture = np.zeros((160, 200), np.uint8)
        picture[30:130, 40:160] = luma
        lumas.append(picture)
    box = borders_of(lumas)
    assert np.allclose((box.left, box.top, box.right, box.bottom), (0.2, 30 / 160, 0.8, 130 / 160), atol=0.011)


def test_blurred_side_bars_are_found() -> None:
    lumas = []
    for frame in scene(5, 40, 120, 200, speed=4)[::4]:
        rng = np.random.default_rng(len(lumas))
        luma = np.clip(frame.mean(2) + rng.integers(-25, 26, (200, 120)), 0, 255).astype(np.uint8)
        back = Image.fromarray(luma).resize((12, 20), Image.Resampling.BOX).resize((360, 600), Image.Resampling.BICUBIC)
        picture = np.asarray(back)[200:400].copy()
        picture[:, 120:240] = luma
        lumas.append(picture)
    box = borders_of(lumas)
    assert abs(box.left - 1 / 3) < 0.02
    assert abs(box.right - 2 / 3) < 0.02
    assert (box.top, box.bottom) == (0, 1)


def test_no_borders_where_there_are_none() -> None:
    plain = _lumas(160, 120)
    assert borders_of(plain).whole
    sky = [luma.copy() for luma in plain]
    for luma in sky:
        luma[:30] = 180
    assert borders_of(sky).whole, "one bright even strip is sky"
    night = [np.zeros((120, 160), np.uint8) for _ in range(8)]
    assert borders_of(night).whole, "black pictures tell nothing"
    assert borders_of([]).whole


def test_borders_of_a_file_are_cut(tmp_path: Path) -> None:
    boxed = np.zeros((40, 120, 160, 3), np.uint8)
    boxed[:, 20:100] = scene(2, 40, 160, 80, speed=3)
    path = write_video(tmp_path / "boxed.mp4", boxed)
    with Video(path) as video:
        box = find_borders(video.spread_frames(16))
    assert abs(box.top - 20 / 120) < 0.012
    assert abs(box.bottom - 100 / 120) < 0.012


def test_the_content_follows_the_picture() -> None:
    framer = Framer(64, "letterbox", Box(), 1.0, UPRIGHT)
    framer(_picture(scene(1, 1, 128, 64)[0]))
    assert framer.content == (slice(16, 48), slice(0, 64))
    framer(_picture(scene(1, 1, 96, 96)[0]))
    assert framer.content == (slice(0, 64), slice(0, 64))
