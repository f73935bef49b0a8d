"""The window without a screen: typed texts, and keys that follow the source of the prompt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.desktop.hud import help_lines
from apps.desktop.text_line import MAX_CHARACTERS, TextLine
from apps.desktop.window import Window, WindowOptions
from playground.agents.policies import make_policy
from playground.core.errors import PlaygroundError
from playground.world.actions import Action, ActionBook
from playground.world.sources import Source
from tests.apps.play_fake import make_text_session
from tests.session.fake import make_session

pygame = pytest.importorskip("pygame")


class Game:
    """A window that posts events to itself whenever a frame is on the screen."""

    def __init__(self, session: Any, script: list[Callable[[], object]], prompts: list[Path] | None = None) -> None:
        self.script, self.frames = list(script), 0
        self.window = Window(
            session,
            make_policy("sticky", session.actions),
            "sticky",
            WindowOptions(target_fps=60.0, max_frames=400),
            prompts=prompts or [],
            on_present=self.next,
            policy_for=lambda book: make_policy("sticky", book),
        )

    def next(self, shown: Any) -> None:
        """Every fourth frame does the next thing of the script, so that the loop has obeyed the one before."""
        self.frames += 1
        if self.frames % 4 == 0:
            if self.script:
                self.script.pop(0)()
            else:
                self.window.do_quit()

    def key(self, name: str) -> Callable[[], object]:
        """Press and release a key."""
        code = getattr(pygame, {"page down": "K_PAGEDOWN"}.get(name, f"K_{name if len(name) == 1 else name.upper()}"))

        def post() -> None:
            for kind in (pygame.KEYDOWN, pygame.KEYUP):
                pygame.event.post(pygame.event.Event(kind, key=code, mod=0, unicode=""))

        return post

    def typed(self, text: str) -> Callable[[], object]:
        """Characters as the system delivers them."""
        return lambda: pygame.event.post(pygame.event.Event(pygame.TEXTINPUT, text=text))

    def play(self, *script: Callable[[], object]) -> Any:
        """Run the script and return the window."""
        self.script = list(script)
        self.window.run()
        return self.window


@pytest.fixture
def text_session() -> Any:
    return make_text_session()


def test_a_typed_text_reaches_the_world_and_its_letters_are_no_keys(text_session: Any) -> None:
    game = Game(text_session, [])
    seed = text_session.seed
    game.play(
        game.key("t"), game.typed("snow bega"), game.key("r"), game.key("left"), game.key("backspace"),
        game.typed("ins"), game.key("return"), game.key("t"), game.typed("x"), game.key("escape"), game.key("left"),
    )  # fmt: skip
    assert text_session.engine.events == ["snow begins"]
    assert text_session.engine.taken.count(1) == 1
    assert text_session.seed == seed
    assert "now: snow begins" in game.window._notice[0]
    # The encoder is loaded when the line opens, beside the window and the loop and not in one of them.
    assert text_session.world.prepared
    assert not {"MainThread", "playground-loop"} & set(text_session.world.prepared)


def test_a_missing_text_encoder_is_told_before_anything_is_typed(text_session: Any) -> None:
    def missing() -> None:
        raise PlaygroundError("the text encoder is not installed")

    text_session.world.prepare_texts = missing
    game = Game(text_session, [])
    window = game.play(game.key("t"), game.typed("x"), game.key("escape"))
    assert "not installed" in window._notice[0]


def test_a_text_that_cannot_be_used_is_told_in_the_window(text_session: Any) -> None:
    game = Game(text_session, [])
    window = game.play(game.key("t"), game.typed("war"), game.key("return"))
    assert text_session.engine.events == []
    assert "try peace" in window._notice[0]
    assert window.loop.error is None


@pytest.mark.parametrize(("chance", "told"), [(0.8, False), (0.95, True)])
def test_the_window_says_where_the_game_would_be_over_and_goes_on(chance: float, told: bool) -> None:
    session = make_session()
    session.engine.ends = {0: 0.0, 1: chance}  # the left key
    game = Game(session, [])
    window = game.play(game.key("left"))
    assert ("would be over here; R starts again" in window._notice[0]) is told
    assert session.engine.taken[-1] == 0  # further frames were played


def test_worlds_without_texts_have_no_line_to_type_in() -> None:
    game = Game(make_session(), [])
    window = game.play(game.key("t"), game.typed("snow"), game.key("return"))
    assert window._line.text is None
    assert not any("T " in line[:3] for line in help_lines())
    assert any(line.startswith("T ") and "Enter" in line for line in help_lines(texts=True))


def test_a_line_is_bounded_and_holds_no_control_characters() -> None:
    line = TextLine()
    line.add("lost")
    assert line.text is None
    line.open()
    line.add("a\nb\x1b" + "c" * 1000)
    assert line.text == "ab" + "c" * (MAX_CHARACTERS - 2)
    assert line.key("escape") == ""
    assert line.text is None
    line.open()
    line.add("   ")
    assert line.key("return") == ""


def test_keys_names_and_pace_follow_the_source_of_the_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    from playground.world.prompt import Prompt

    session = make_session()
    sky = ActionBook([Action(3, "hover", noop=True), Action(1, "climb", ("left", "t"))])
    session.world.sources = {"caves": Source(), "sky": Source(sky, fps=45.0)}
    pictures = {"one": "caves", "two": "sky"}
    frames = np.zeros((1, 8, 8, 3), np.uint8)
    distances = {"caves": None, "sky": 3.2}
    monkeypatch.setattr(
        "playground.world.prompt.Prompt.of",
        lambda world, given: (
            given if isinstance(given, Prompt) else Prompt(frames, "", pictures[given], distances[pictures[given]])
        ),
    )
    game = Game(session, [], [Path("one"), Path("two")])
    game.window.loop.target_fps = session.fps
    seen: list[str] = []
    game.play(
        game.key("page down"), lambda: seen.append(game.window.book.noop.name), game.key("page down"),
        lambda: seen.append(game.window.book.noop.name), game.key("left"), game.key("r"),
        lambda: seen.append(session.source),
    )  # fmt: skip
    assert seen == ["stay", "hover", "sky"]
    assert game.window.controls.action_book is sky
    assert game.window.loop.target_fps == 45.0
    assert set(session.engine.taken[-8:]) <= {1, 3}
    assert "3.2 times as far" in game.window._notice[0]


def test_keys_follow_words_into_another_source_and_back(text_session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sky = ActionBook([Action(3, "hover", noop=True), Action(1, "climb", ("left", "t"))])
    text_session.world.sources = {"caves": Source(), "sky": Source(sky, fps=45.0)}
    monkeypatch.setattr(text_session, "prompt", lambda text: setattr(text_session, "source", "sky"))
    game = Game(text_session, [])
    game.window.loop.target_fps = text_session.fps
    seen: list[tuple[str, float]] = []

    def look() -> None:
        seen.append((game.window.controls.action_book.noop.name, game.window.loop.target_fps))

    game.play(game.key("t"), game.typed("fly"), game.key("return"), look, game.key("r"), look)
    assert seen == [("hover", 45.0), ("stay", 30.0)]
