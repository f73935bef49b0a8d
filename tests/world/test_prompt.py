"""Prompts: any picture fits, and what is no picture (or a bomb) is refused before it is decoded."""

from __future__ import annotations

import struct
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from playground.core.errors import PlaygroundError
from playground.world.bundle import World
from playground.world.prompt import MAX_FILE_BYTES, Prompt, prompt_frames
from tests.tiny_world import make_tiny_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World.load(make_tiny_world(tmp_path_factory.mktemp("worlds") / "tiny"))


@pytest.fixture(scope="module")
def text_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World.load(make_tiny_world(tmp_path_factory.mktemp("worlds") / "texts", texts=True))


def compact_png(path: Path, width: int, height: int) -> Path:
    """A black 1-bit PNG of any size in a small file."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b""))
    return path


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "RGBA", "LA", "CMYK", "I;16", "F"])
@pytest.mark.parametrize("size", [(64, 64), (200, 90), (3, 500)])
def test_any_image_fits(mode: str, size: tuple[int, int]) -> None:
    prompt = Prompt.from_image(Image.new(mode, size), 64)
    assert prompt.frames_THWC.shape == (1, 64, 64, 3)
    assert prompt.frames_THWC.dtype == np.uint8


def test_the_centre_is_kept_and_exact_sizes_stay_exact(rng: np.random.Generator) -> None:
    wide = np.zeros((64, 192, 3), np.uint8)
    wide[:, 64:128] = picture = rng.integers(0, 256, (64, 64, 3)).astype(np.uint8)
    np.testing.assert_array_equal(Prompt.from_array(wide, 64).frames_THWC[0], picture)
    np.testing.assert_array_equal(Prompt.from_array(picture, 64).frames_THWC[0], picture)
    assert Prompt.from_array(np.zeros((5, 32, 32, 3), np.uint8), 64).frames_THWC.shape == (5, 64, 64, 3)


def test_deep_grey_and_transparency_keep_their_look() -> None:
    deep = Image.fromarray(np.full((64, 64), 32896, np.uint16))
    assert Prompt.from_image(deep, 64).frames_THWC[0, 0, 0].tolist() == [128, 128, 128]
    clear = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    assert Prompt.from_image(clear, 64).frames_THWC.min() == 255


@pytest.mark.parametrize("side", [64, 128])
def test_thin_lines_of_a_sketch_survive_the_scaling(side: int) -> None:
    """A pen line of a large sheet gets thin and grey, but stays: scaling must not step over it."""
    sheet = Image.new("L", (1600, 1200), 255)
    pen = ImageDraw.Draw(sheet)
    lines = {"upright": (500, 100, 500, 1100), "level": (300, 703, 1300, 703), "slanted": (350, 150, 1250, 550)}
    for line in lines.values():
        pen.line(line, fill=0, width=4)
    small = Prompt.from_image(sheet, side).frames_THWC[0, :, :, 0]
    scale = side / 1200
    for name, (x1, y1, x2, y2) in lines.items():
        for share in np.linspace(0.05, 0.95, 19):
            x, y = ((x1 + share * (x2 - x1) - 200) * scale, (y1 + share * (y2 - y1)) * scale)
            around = small[max(int(y) - 1, 0) : int(y) + 2, max(int(x) - 1, 0) : int(x) + 2]
            assert around.min() < 225, f"the {name} line is gone at {share:.2f}"
    assert (small > 250).mean() > 0.8


def test_pictures_on_disk(tmp_path: Path, rng: np.random.Generator) -> None:
    frames = rng.integers(0, 256, (3, 32, 48, 3)).astype(np.uint8)
    images = [Image.fromarray(frame) for frame in frames]
    images[0].save(tmp_path / "one.jpg")
    assert Prompt.from_path(tmp_path / "one.jpg", 64).frames_THWC.shape == (1, 64, 64, 3)
    images[0].save(tmp_path / "many.gif", save_all=True, append_images=images[1:])
    assert Prompt.from_path(tmp_path / "many.gif", 64).frames_THWC.shape == (3, 64, 64, 3)
    np.save(tmp_path / "0000.frames.npy", frames[:, :, :32])
    found = Prompt.from_path(f"{tmp_path}/0000.frames.npy#1", 32).frames_THWC
    np.testing.assert_array_equal(found[0], frames[1, :, :32])
    with pytest.raises(PlaygroundError, match="frame 3 is not in it"):
        Prompt.from_path(f"{tmp_path}/0000.frames.npy#3", 32)


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    for side in (30_000, 5_000, 12_000):  # above, below and between Pillow's own limits
        path = compact_png(tmp_path / f"{side}.png", side, side)
        started = time.perf_counter()
        with pytest.raises(PlaygroundError, match="at most 16 megapixels"):
            Prompt.from_path(path, 64)
        assert time.perf_counter() - started < 1.0
    with pytest.raises(PlaygroundError, match="megapixels"):
        Prompt.from_image(Image.new("1", (5000, 5000)), 64)
    with pytest.raises(PlaygroundError, match="megapixels"):
        Prompt.from_array(np.broadcast_to(np.uint8(0), (5000, 5000, 3)), 64)


def test_files_that_are_no_pictures(tmp_path: Path) -> None:
    text = tmp_path / "notes.png"
    text.write_text("this is not a picture")
    with pytest.raises(PlaygroundError, match="notes.png is not a picture"):
        Prompt.from_path(text, 64)
    good = tmp_path / "good.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)).save(good)
    cut = tmp_path / "cut.png"
    cut.write_bytes(good.read_bytes()[:3000])
    with pytest.raises(PlaygroundError, match="cut.png is damaged"):
        Prompt.from_path(cut, 64)
    large = tmp_path / "large.png"
    with large.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(PlaygroundError, match="larger than 20 MB"):
        Prompt.from_path(large, 64)
    with pytest.raises(PlaygroundError, match="gone.png does not exist"):
        Prompt.from_path(tmp_path / "gone.png", 64)
    with pytest.raises(PlaygroundError, match="is not a file"):
        Prompt.from_path(tmp_path, 64)


@pytest.mark.parametrize(
    "array", [np.zeros((8, 8, 3)), np.zeros((8, 8, 5), np.uint8), np.zeros((0, 8, 3), np.uint8), np.uint8(3)]
)
def test_odd_arrays_are_refused(array: np.ndarray) -> None:
    with pytest.raises(PlaygroundError, match="prompt array"):
        Prompt.from_array(array, 64)


def test_everything_that_a_user_may_give(world: World) -> None:
    first = Prompt.from_path(world.prompts[0], 64).frames_THWC
    for given in (None, 0, np.int64(0), str(world.prompts[0]), world.prompts[0], Image.open(world.prompts[0])):
        np.testing.assert_array_equal(prompt_frames(world, given), first)
    np.testing.assert_array_equal(prompt_frames(world, Prompt(first)), first)
    assert len(prompt_frames(world, 2)) == 6
    odd: Any
    for odd in (3, -1, True, 1.5, [1, 2], b"x"):
        with pytest.raises(PlaygroundError):
            prompt_frames(world, odd)


def test_a_world_without_texts_says_which_prompts_it_has(world: World) -> None:
    with pytest.raises(PlaygroundError, match=r"without texts.*3 prompts \(dots, stripes, long\)"):
        prompt_frames(world, "a lava canyon at dusk")
    with pytest.raises(PlaygroundError, match="missing.png does not exist"):
        prompt_frames(world, "missing.png")


def test_texts_draw_the_first_frame(text_world: World) -> None:
    lava = prompt_frames(text_world, "a lava canyon at dusk")
    assert lava.shape == (1, 64, 64, 3)
    np.testing.assert_array_equal(lava, prompt_frames(text_world, "a lava canyon at dusk"))
    assert (lava != prompt_frames(text_world, "snow")).any()
    assert (lava != prompt_frames(text_world, "a lava canyon at dusk", seed=1)).any()
    with pytest.raises(PlaygroundError, match="characters"):
        prompt_frames(text_world, "word " * 1000)


def test_empty_texts_and_missing_encoders_are_one_line(text_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for empty in ("", "  "):
        with pytest.raises(PlaygroundError, match=r"the text prompt is empty; .*3 prompts"):
            text_world.generate(empty, backend="eager")

    def missing(name: str) -> Any:
        raise PlaygroundError("needs packages; install them with: pip install 'playground-worlds[text]'")

    monkeypatch.setattr(text_world, "_encoder", None)
    monkeypatch.setattr("playground.core.registry.TEXT_ENCODERS.get", missing)
    with pytest.raises(PlaygroundError, match=r"playground-worlds\[text\]"):
        text_world.generate("a lava canyon at dusk", backend="eager")
    with text_world.generate(0, backend="eager") as session:
        with pytest.raises(PlaygroundError, match=r"playground-worlds\[text\]"):
            session.prompt("snow begins to fall")
        session.step()


def test_shipped_prompts_are_found_by_name(world: World) -> None:
    assert len(prompt_frames(world, "stripes")) == 2
    assert Prompt.of(world, world.prompts[2]).source == ""


def test_a_number_that_was_not_shipped_is_no_sentence(text_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_world, "prompts", [Path("meadow-01.png"), Path("meadow-02.png")])
    with pytest.raises(PlaygroundError, match="no prompt 'meadow-00'.*Did you mean 'meadow-0[12]'"):
        Prompt.of(text_world, "meadow-00")
    for sentence in ("meadow", "meadow-like hills", "a road of the year-3000", "-7"):
        assert Prompt.of(text_world, sentence).text == sentence


def test_a_text_stays_after_the_first_frame(text_world: World) -> None:
    def play(event: str | None) -> np.ndarray:
        with text_world.generate("a lava canyon at dusk", seed=3) as session:
            if event is not None:
                session.prompt(event)
            return np.stack([session.step(0) for _ in range(3)])

    assert np.array_equal(play(None), play("a lava canyon at dusk"))
    assert (play(None) != play("")).any()
