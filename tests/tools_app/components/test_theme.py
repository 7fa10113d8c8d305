"""Every text of the interface can be read in both modes (WCAG 2.2 AA), and status never looks like a series."""

import re
from pathlib import Path

import pytest

CSS = (Path(__file__).resolve().parents[3] / "assets" / "theme.css").read_text(encoding="utf-8")
TEXT_PAIRS = [
    *[(ink, ground) for ink in ("ink", "ink-2", "ink-3") for ground in ("canvas", "surface", "raised")],
    *[(ink, "sunken") for ink in ("ink", "ink-2")],
    *[("accent-ink", ground) for ground in ("canvas", "surface", "accent-soft")],
    ("on-accent", "accent"),
    *[(tone, f"{tone}-soft") for tone in ("ok", "warn", "bad", "info")],
    *[(tone, "surface") for tone in ("ok", "warn", "bad")],
]
MARK_PAIRS = [(f"s{number}", "surface") for number in range(1, 7)] + [
    ("accent", "canvas"),
    ("accent", "surface"),
]


def _tokens(mode: str) -> dict[str, str]:
    def of(selector: str) -> dict[str, str]:
        block = re.search(rf"^{re.escape(selector)} \{{(.*?)^\}}", CSS, re.MULTILINE | re.DOTALL)
        assert block is not None
        return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block.group(1)))

    return of(":root") if mode == "light" else {**of(":root"), **of(".dark")}


def _luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize(("ink", "ground"), TEXT_PAIRS)
def test_text_stands_out_from_its_ground(mode: str, ink: str, ground: str):
    tokens = _tokens(mode)
    assert _contrast(tokens[ink], tokens[ground]) >= 4.5


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize(("mark", "ground"), MARK_PAIRS)
def test_marks_and_focus_rings_stand_out_from_their_ground(mode: str, mark: str, ground: str):
    tokens = _tokens(mode)
    assert _contrast(tokens[mark], tokens[ground]) >= 3


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_series_and_status_have_no_colour_in_common(mode: str):
    tokens = _tokens(mode)
    series = {tokens[f"s{number}"] for number in range(1, 7)}
    assert len(series) == 6
    assert not series & {tokens[tone] for tone in ("ok", "warn", "bad", "info")}


def test_both_modes_define_every_colour():
    dark = re.search(r"^\.dark \{(.*?)^\}", CSS, re.MULTILINE | re.DOTALL)
    assert dark is not None
    assert set(re.findall(r"--([\w-]+): #", dark.group(1))) == set(_tokens("light"))
