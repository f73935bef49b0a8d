"""The model card of a world bundle, filled from its report, its bench and its training run, never by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from playground.evaluation.report import limits, numbers_table, sources_table

ART: dict[str, str] = {
    "coinrun": (
        "The world imitates CoinRun from OpenAI's Procgen (program code: MIT licence). Its pictures show "
        "game art: Kenney's platformer packs (CC0), and assets that Procgen lists in its "
        "`ASSET_LICENSES.md` under CC0, CC-BY 3.0, CC-BY 4.0 and OGA-BY 3.0; see that file for the authors. "
        "The prompt pictures in `prompts/` derive from that art and keep its licences."
    ),
    "crafter": "Pictures of the source `crafter` show the sprites of Crafter (MIT licence, Danijar Hafner).",
    "doom": (
        "Pictures of the source `doom` show art of Freedoom (BSD-3-Clause, contributors to the Freedoom project), "
        "drawn by ViZDoom; nothing of the game Doom itself was used."
    ),
}
"""Attribution of the art in the training data, by dataset source."""

_SPEED_KEYS = (
    "fps_median",
    "fps_p5",
    "frame_ms_p50",
    "frame_ms_p95",
    "first_frame_s",
    "rss_mb",
    "threads",
    "other_load",
)

_COMPONENTS = {
    "tokenizer": "turns frames into a small grid of latents and back",
    "latent_actions": "reads from two frames what a player could have done between them",
    "first_frames": "draws first frames from words",
    "dynamics": "predicts the next frame's latents from the past and a latent action",
    "intents": "reads from what just happened which latent action a key means now",
}


def model_card(
    world: Mapping[str, Any],
    report: Mapping[str, Any] | None = None,
    bench: Mapping[str, Any] | None = None,
    run: Mapping[str, Any] | None = None,
    datasets: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Write the ``README.md`` of a bundle.

    Args:
        world: ``name``, ``frame_size``, ``fps``, ``actions`` (entries of ``actions.json``), ``licence``,
            ``data_statement`` and ``prompts``; missing ones are left out of the text. A world of several sources also
            has ``books``: source name to the entries of its own book.
            ``parts`` lists the folders of its components.
        report: numbers of ``report.json``; without it the card says that the world was not measured.
        bench: the flat bench numbers of one backend, or backend name to such numbers.
        run: ``run.json`` of the training run.
        datasets: ``dataset.json`` of the training and prompt data, each with an optional ``purpose``.

    Returns:
        Markdown.
    """
    name = str(world.get("name", "world"))
    parts = [f"# {name}", _what_it_is(world), "## Use", _use(name)]
    parts += ["## Actions", _actions(world)]
    parts += ["## Data", _data(world, datasets)]
    parts += ["## Licence and attribution", _licence(world, datasets)]
    parts += ["## Numbers", _numbers(report) if report else "Not measured yet: run `playground eval`."]
    if bench:
        parts += ["## Speed", _speed(bench)]
    parts += ["## Limits", _limits(report)]
    if run:
        parts += ["## Training", _training(run)] if _training(run) else []
    return "\n\n".join(part for part in parts if part) + "\n"


def _what_it_is(world: Mapping[str, Any]) -> str:
    size, fps = world.get("frame_size"), world.get("fps")
    text = "A playable generated world: every frame is drawn by a neural network that answers to your keys. "
    if size and fps:
        text += f"It shows {size}x{size} pixels and is meant to be played at {fps:.3g} frames per second. "
    text += "Its parts:\n\n"
    there = world.get("parts") or _COMPONENTS
    return text + "\n".join(f"- `{part}/` {purpose}" for part, purpose in _COMPONENTS.items() if part in there)


def _use(name: str) -> str:
    return f"```\nplayground play {name}\n```\n\nWeights are safetensors files: loading them runs no code."


def _actions(world: Mapping[str, Any]) -> str:
    """The keys. In a world with intents they are names, which mean another latent action at every moment."""
    books, entries = world.get("books") or {}, world.get("actions") or []
    named = "intents" in (world.get("parts") or ())
    if not books and not entries:
        return "No action has a key yet; latent actions are played by their number."
    lines = ["| source | name | keys |", "|---|---|---|"] if books else ["| name | keys |", "|---|---|"]
    if not named:  # a code in a column of its own
        lines = [lines[0] + " latent action |", lines[1] + "---:|"]
    for source, own in (books or {"": entries}).items():
        for entry in own:
            keys = ", ".join(f"`{key}`" for key in entry.get("keys", [])) or "(no key held)" * bool(entry.get("noop"))
            if keys or not books:
                cells = [source] * bool(books) + [str(entry.get("name")), keys] + [str(entry.get("code"))] * (not named)
                lines.append(f"| {' | '.join(cells)} |")
    if named:
        lines += ["", "Which latent action a name means is read from the picture, frame by frame."]
    return "\n".join(lines)


def _data(world: Mapping[str, Any], datasets: Sequence[Mapping[str, Any]]) -> str:
    lines = [str(world["data_statement"])] if world.get("data_statement") else []
    rows = []
    for info in datasets:
        seeds = info.get("seed_range") or []
        levels = f", level seeds {seeds[0]} to {seeds[1] - 1}" if len(seeds) == 2 else ""
        purpose = f"{info['purpose']}: " if info.get("purpose") else ""
        split, licence = info.get("split"), info.get("licence")
        rows.append(f"- {purpose}`{info.get('source')}`, split `{split}`{levels}, licence: {licence}")
    if rows:
        lines.append("\n".join(dict.fromkeys(rows)))
    return "\n\n".join(lines) or "Not stated."


def _licence(world: Mapping[str, Any], datasets: Sequence[Mapping[str, Any]]) -> str:
    lines = [f"Weights: {world.get('licence') or 'Apache-2.0'}."]
    here = {str(info.get("source")) for info in datasets}
    # Weights that a run started from have seen art as well; only the statement knows of it.
    stated = set(re.findall(r"\w+", str(world.get("data_statement", ""))))
    lines += [notice for source, notice in sorted(ART.items()) if source in here | stated]
    return "\n\n".join(lines)


def _numbers(report: Mapping[str, Any]) -> str:
    text = "Means ± half of the 95 % interval, on clips that were not trained on."
    by_source = sources_table(report)
    return "\n\n".join([text, numbers_table(report), *(["By source:", by_source] if by_source else [])])


def _speed(bench: Mapping[str, Any]) -> str:
    rows = [bench] if "fps_median" in bench else [row for row in bench.values() if isinstance(row, Mapping)]
    keys = _SPEED_KEYS
    lines = ["| backend | " + " | ".join(keys) + " |", "|---|" + "---:|" * len(keys)]
    for row in rows:
        cells = " | ".join(str(row.get(key, "")) for key in keys)
        lines.append(f"| {row.get('backend', '')} | {cells} |")
    lines += ["", "`other_load` is how many cores other programs kept busy during the measurement."]
    return "\n".join(lines)


def _limits(report: Mapping[str, Any] | None) -> str:
    lines = [f"- {line}" for line in limits(report)] if report else ["- Nothing was measured."]
    lines.append("- It remembers only the frames in its context: what leaves the picture may come back changed.")
    return "\n".join(lines)


def _training(run: Mapping[str, Any]) -> str:
    preset = run.get("preset")
    name = preset.get("name") if isinstance(preset, Mapping) else preset
    facts = [f"Preset `{name}`"] if name else []
    facts += [f"{key} {run[key]}" for key in ("seed", "steps", "hours") if key in run]
    return ", ".join(facts) + "." if facts else ""
