"""The HTML report: one file that needs no network and no server.

Every text from the tables is escaped, and a content security policy allows only the file's own script, by its digest.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from synthkit.errors import ParamError
from synthkit.report import text
from synthkit.report.credit import credit_section
from synthkit.report.drawn import Drawing, columns_section, detection_section, pairs_section, rows_section
from synthkit.report.gates import PROFILES
from synthkit.report.panel_section import panel_section
from synthkit.report.sections import (
    definitions_section,
    limits_section,
    privacy_section,
    provenance_section,
    scores_section,
    summary_section,
    verdict_section,
    whats,
)
from synthkit.report.series_section import series_section
from synthkit.report.style import asset, page_style
from synthkit.report.survival import survival_section
from synthkit.report.svg import esc

if TYPE_CHECKING:
    from synthkit.report.comparison import Comparison
    from synthkit.report.report import Report

__all__ = ["named_profiles", "page", "render", "write", "write_comparison"]

_NAMES = {
    "verdict": "Verdict",
    "summary": "Summary",
    "scores": "Scores",
    "overtime": "Over time",
    "series": "Series",
    "columns": "Columns",
    "pairs": "Pairs",
    "rows": "Rows",
    "detection": "Detection",
    "survival": "Survival",
    "credit": "Credit",
    "privacy": "Privacy",
    "limits": "Limits",
    "provenance": "Provenance",
    "definitions": "Definitions",
}


def write(report: Report, path: str | Path, *, profiles: str | Sequence[str] | None = None) -> None:
    """Write the report to a file; for ``profiles`` see :func:`render`.

    Raises:
        ParamError: an unknown profile.
        OSError: the file cannot be written.
    """
    Path(path).write_text(render(report, profiles=profiles), encoding="utf-8")


def write_comparison(comparison: Comparison, path: str | Path, *, profiles: str | Sequence[str] | None = None) -> None:
    """Write a comparison to a file; for ``profiles`` see :func:`render`.

    Raises:
        ParamError: an unknown profile.
        OSError: the file cannot be written.
    """
    from synthkit.report.comparison_html import render_comparison  # it needs this module's page

    Path(path).write_text(render_comparison(comparison, profiles=profiles), encoding="utf-8")


def render(report: Report, *, profiles: str | Sequence[str] | None = None) -> str:
    """The whole page.

    Args:
        profiles: the purposes whose gates stand at the top, one or several; by default all.

    Raises:
        ParamError: an unknown profile.
    """
    if profiles is None and text.is_series(report):
        profiles = ()
    verdicts = [report.check(profile) for profile in named_profiles(profiles)]
    drawn = {"synthetic": report}
    drawing = Drawing.of_reports(drawn)
    parts = {
        "verdict": verdict_section(verdicts, whats(report)) if verdicts else "",
        "summary": summary_section(report),
        "scores": scores_section(report),
        "overtime": panel_section(report),
        "series": series_section(report),
        "columns": "" if drawing is None else columns_section(drawing),
        "pairs": pairs_section(report),
        "rows": rows_section(report),
        "detection": detection_section(report),
        "survival": survival_section(drawn),
        "credit": credit_section(drawn),
        "privacy": privacy_section(report),
        "limits": limits_section(report),
        "provenance": provenance_section(report),
        "definitions": definitions_section(report),
    }
    return page("Evaluation of a synthetic table", text.head(report), parts)


def named_profiles(profiles: str | Sequence[str] | None) -> list[str]:
    """All profiles by default, or the one or several that were asked for, each once."""
    if profiles is None:
        return list(PROFILES)
    if not isinstance(profiles, (str, Sequence)):
        raise ParamError(
            f"to_html: argument 'profiles' must be one name or several of {', '.join(PROFILES)}, got {profiles!r}."
        )
    return [profiles] if isinstance(profiles, str) else list(dict.fromkeys(profiles))


def page(title: str, subtitle: str, parts: Mapping[str, str], names: Mapping[str, str] = _NAMES) -> str:
    """A page of sections, those that are empty left out."""
    script = asset("report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'"
    links = "".join(f'<a href="#{name}">{names[name]}</a>' for name, part in parts.items() if part)
    return (
        f'<!doctype html>\n<html lang="en" class="skr">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{esc(title)}</title>\n<style>{page_style()}</style>\n</head>\n<body>\n"
        '<a class="skip" href="#main">Skip to the content</a>\n<header class="top"><div class="inner">'
        f'<span class="brand">synthkit</span><nav aria-label="Sections">{links}</nav>'
        '<button id="theme" class="js" type="button" aria-label="Colours: as the system">◐</button></div></header>\n'
        f'<main id="main"><div class="hero"><h1>{esc(title)}</h1><p class="sub">{esc(subtitle)}</p></div>\n'
        + "\n".join(part for part in parts.values() if part)
        + '\n</main>\n<div id="tip" aria-hidden="true" hidden></div>\n'
        f"<script>{script}</script>\n</body>\n</html>\n"
    )
