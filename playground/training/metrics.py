"""Where a run's numbers go: ``metrics.jsonl``, TensorBoard if installed, a progress bar on request."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any


class MetricsLog:
    """Appends one JSON object a line to ``folder/metrics.jsonl``."""

    def __init__(self, folder: Path, start_step: int) -> None:
        """Open the log; lines after ``start_step`` belong to work that was lost and are dropped."""
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "metrics.jsonl"
        kept = [line for line in _complete_lines(self.path) if line.get("step", 0) <= start_step and start_step > 0]
        partial = self.path.with_suffix(".partial")
        partial.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
        partial.replace(self.path)
        self._file = self.path.open("a", encoding="utf-8")
        self._board = _tensorboard(folder, start_step)

    def write(self, metrics: dict[str, Any]) -> None:
        """Add one line; non-finite numbers become null so that every line is valid JSON."""
        clean = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in metrics.items()}
        self._file.write(json.dumps(clean) + "\n")
        self._file.flush()
        if self._board is not None:
            for name, value in clean.items():
                if isinstance(value, (int, float)) and name != "step":
                    self._board.add_scalar(name, value, clean["step"])

    def close(self) -> None:
        """Close the files."""
        self._file.close()
        if self._board is not None:
            self._board.close()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Return every complete line of a ``metrics.jsonl``, empty if there is none."""
    return _complete_lines(path)


def _complete_lines(path: Path) -> list[dict[str, Any]]:
    lines = []
    if path.is_file():
        for text in path.read_text(encoding="utf-8").splitlines():
            try:
                lines.append(json.loads(text))
            except ValueError:  # the last line of a killed run
                continue
    return lines


def _tensorboard(folder: Path, start_step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder / "tensorboard"), purge_step=start_step + 1)


class ProgressBar:
    """A tqdm bar over steps or seconds; does nothing when switched off."""

    def __init__(self, name: str, steps: int | None, seconds: float | None, enabled: bool) -> None:
        """Show ``name``; the bar counts seconds when there is a time budget, else steps."""
        self._by_time = seconds is not None
        self._bar: Any = None
        if enabled:
            from tqdm import tqdm

            total = round(seconds) if seconds is not None else steps
            self._bar = tqdm(total=total, desc=name, unit="s" if self._by_time else "step", dynamic_ncols=True)

    def update(self, step: int, seconds: float, metrics: dict[str, float]) -> None:
        """Move to ``step`` or ``seconds`` and show the loss, PSNR and frames per second."""
        if self._bar is None:
            return
        shown: dict[str, Any] = {"step": step}
        shown |= {k: f"{metrics[k]:.4g}" for k in ("loss", "psnr", "frames_per_s") if k in metrics}
        self._bar.n = min(int(seconds) if self._by_time else step, self._bar.total)
        self._bar.set_postfix(shown, refresh=True)

    def message(self, text: str) -> None:
        """Write a line above the bar."""
        if self._bar is not None:
            self._bar.write(text)

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self._bar is not None:
            self._bar.close()
