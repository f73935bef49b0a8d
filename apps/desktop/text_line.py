"""The line at the bottom of the window in which a player types what happens next."""

from __future__ import annotations

MAX_CHARACTERS = 200
"""What fits on the screen and is more than a caption ever has."""


class TextLine:
    """One line of text that is being typed, or nothing; knows no window.

    Attributes:
        text: what was typed so far; None while nobody types.
    """

    def __init__(self) -> None:
        """Start closed."""
        self.text: str | None = None

    def open(self) -> None:
        """Begin an empty line."""
        self.text = ""

    def add(self, typed: str) -> None:
        """Append characters; nothing happens while closed, and beyond ``MAX_CHARACTERS``."""
        if self.text is not None:
            self.text = (self.text + "".join(c for c in typed if c.isprintable()))[:MAX_CHARACTERS]

    def key(self, key: str) -> str:
        """Obey a key that is no character.

        Args:
            key: name of the key: ``return`` ends the line, ``escape`` drops it, ``backspace`` takes a character.

        Returns:
            The finished text, stripped; empty when there is nothing to send.
        """
        if self.text is None:
            return ""
        if key == "backspace":
            self.text = self.text[:-1]
        elif key == "escape":
            self.text = None
        elif key == "return":
            done, self.text = self.text.strip(), None
            return done
        return ""
