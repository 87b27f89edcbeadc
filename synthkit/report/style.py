"""Colours and style sheets of the HTML report and of single figures: one palette, light and dark.

Blue and orange stay apart for colour-blind readers, and nothing is told by colour alone: real rows are areas and solid
bars, synthetic ones lines and outlined bars, and every mark of a scale has a shape of its own.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

__all__ = ["DARK", "LIGHT", "asset", "figure_style", "notebook_style", "page_style"]

LIGHT = {
    "page": "#f5f6f8",
    "card": "#ffffff",
    "sunk": "#eef1f5",
    "ink": "#1a2130",
    "muted": "#56607a",
    "line": "#d6dce6",
    "link": "#1f5fae",
    "real": "#2b6cb8",
    "synthetic": "#c24806",
    "pass": "#0b6e4f",
    "fail": "#b3261e",
    "unsure": "#6a5400",
    "heat": "#7b2d8b",
    "t0": "#c24806",
    "t1": "#00796b",
    "t2": "#9c3587",
    "t3": "#7a6200",
    "t4": "#4b57c4",
    "t5": "#5d4037",
}
DARK = {
    "page": "#10141b",
    "card": "#191f29",
    "sunk": "#222a36",
    "ink": "#e7ebf2",
    "muted": "#a7b1c2",
    "line": "#343e4e",
    "link": "#86b9f5",
    "real": "#6fadf2",
    "synthetic": "#ff9a4d",
    "pass": "#5fd0a5",
    "fail": "#ff8a80",
    "unsure": "#e6c65c",
    "heat": "#d892e6",
    "t0": "#ff9a4d",
    "t1": "#4fd1c0",
    "t2": "#ee8fd8",
    "t3": "#dcc04a",
    "t4": "#a3aaff",
    "t5": "#c9a596",
}


@cache
def asset(name: str) -> str:
    """The text of a file beside this module."""
    return files("synthkit.report").joinpath("assets", name).read_text(encoding="utf-8")


def _variables(palette: dict[str, str]) -> str:
    return "".join(f"--{name}:{colour};" for name, colour in palette.items())


@cache
def page_style() -> str:
    """The style sheet of a page: follows the reader's system unless ``data-theme`` of the root says otherwise."""
    light, dark = _variables(LIGHT), _variables(DARK)
    return (
        f".skr{{color-scheme:light;{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{.skr:not([data-theme=light]){{color-scheme:dark;{dark}}}}}\n"
        f"@media screen{{.skr[data-theme=dark]{{color-scheme:dark;{dark}}}}}\n"
        + asset("report.css")
        + asset("figure.css")
    )


@cache
def notebook_style() -> str:
    """The style sheet of a notebook's output: nothing outside ``.skn`` is touched; light or dark as the notebook is."""
    light, dark = _variables(LIGHT), _variables(DARK)
    return (
        f".skn{{color-scheme:light;{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{.skn{{color-scheme:dark;{dark}}}}}\n"
        # JupyterLab, VS Code, Colab: their own choice counts for more than the system's
        f"[data-jp-theme-light=true] .skn,.vscode-light .skn,html[theme=light] .skn{{color-scheme:light;{light}}}\n"
        f"[data-jp-theme-light=false] .skn,.vscode-dark .skn,html[theme=dark] .skn{{color-scheme:dark;{dark}}}\n"
        + asset("notebook.css")
        + asset("figure.css").replace(".sk", ".skn .sk")
    )


@cache
def figure_style() -> str:
    """The style sheet of an SVG that stands alone: plain colours, as not every viewer knows variables."""
    css = asset("figure.css")
    return f"{_filled(css, LIGHT)}@media screen and (prefers-color-scheme:dark){{{_filled(css, DARK)}}}"


def _filled(css: str, palette: dict[str, str]) -> str:
    plain = re.sub(r"var\(--(\w+)\)", lambda found: palette[found[1]], css)
    return f".sk{{background:{palette['card']}}}{plain}"
