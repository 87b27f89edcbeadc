"""The certificate as a page to read, print and sign."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from synthkit.report.html import page
from synthkit.report.sections import chip, section, table
from synthkit.report.svg import esc

__all__ = ["render"]

_NAMES = {
    "decision": "Decision",
    "criteria": "Tests",
    "gates": "Gates",
    "columns": "Columns",
    "safeguards": "Safeguards",
    "source": "Source",
    "limits": "Limits",
    "sign": "Signature",
}
_LINE = "_" * 42


def render(content: Mapping[str, Any]) -> str:
    """The whole page; every text is escaped."""
    parts = {
        "decision": _decision(content),
        "criteria": _criteria(content),
        "gates": _gates(content),
        "columns": _columns(content["columns"]),
        "safeguards": _safeguards(content["safeguards"]),
        "source": _source(content),
        "limits": _limits(content),
        "sign": _sign(content),
    }
    released = content["released"]
    rows = f"{released['rows']:,} rows"
    entities = "" if released["entities"] is None else f" of {released['entities']:,} entities"
    return page(
        "Certificate of a synthetic table", f"{rows}{entities}, drawn {content['created']}", parts, names=_NAMES
    )


def _pairs(caption: str, pairs: Iterable[tuple[str, object]]) -> str:
    return table(caption, ("What", "Value"), [(esc(k), esc(v)) for k, v in pairs], class_="prose")


def _decision(content: Mapping[str, Any]) -> str:
    status = {"passed": "pass", "refused": "fail"}.get(content["outcome"], "unsure")
    released = content["released"]
    kept = ", ".join(released["kept_columns"]) or "none"
    facts = _pairs(
        "What this certificate is about",
        [
            ("Purpose", content["purpose"]),
            ("Recipients", content["recipients"]),
            ("Released", released["what"]),
            ("Real columns among them", kept),
            ("Unit of protection", content["unit"]),
            ("Profile of gates", content["profile"]),
            ("Earlier runs on the same table", len(content["earlier_runs"])),
            ("To be tested again by", content["retest_by"]),
        ],
    )
    word = {"pass": "all gates pass", "fail": "refused", "unsure": content["outcome"]}[status]
    return section(
        "decision",
        "Decision",
        f"<p>{chip(status, word)}</p>",
        facts,
        lead="What was drawn, for whom, and whether every gate that was set before the run has passed.",
    )


def _criteria(content: Mapping[str, Any]) -> str:
    rows = []
    for found in content["criteria"]:
        name = esc(found["criterion"])
        if found["status"] != "tested":
            rows.append((name, chip("cannot tell", "not tested"), esc(found["why"]), "", "", ""))
            continue
        low, high = found["interval"] or (None, None)
        interval = "" if low is None else f" <small>[{low:.3f}, {high:.3f}]</small>"
        gate = found["gate"]
        rows.append(
            (
                name,
                chip(gate, gate) if gate in ("pass", "fail", "cannot tell") else "no gate",
                esc(found["label"]) + (f"<br><small>{esc(found['note'])}</small>" if found["note"] else ""),
                f"{found['value']:.3f}{interval}<br><small>harmless: {found['harmless']:g}</small>",
                _number(found["detectable_effect"]),
                _number(found["outliers"]),
            )
        )
    heads = ("Criterion", "Gate", "Test", "Found", "Detectable from", "Most isolated rows")
    attackers = table(
        "Who was thought of as an attacker",
        ("Attacker", "Tested"),
        [
            (esc(a["who"]), chip("pass", "tested") if a["tested"] else chip("cannot tell", "not tested"))
            for a in content["attackers"]
        ],
        class_="prose",
    )
    return section(
        "criteria",
        "Singling out, linkability, inference, and more",
        table("What was tested, beside rows that the model never saw", heads, rows, class_="stack prose"),
        _secrets(content["secrets"]),
        attackers,
        lead="The three criteria of the Article 29 Working Party (Opinion 05/2014), attacks on membership, and checks "
        "for copies. 'Detectable from': the least effect that a test of so many rows finds four times of five.",
    )


def _secrets(secrets: Sequence[Mapping[str, Any]]) -> str:
    if not secrets:
        return '<p class="note">No column was named as a secret, so that inference was not tested.</p>'
    rows = []
    for told in secrets:
        if told["status"] != "tested":
            rows.append((esc(told["column"]), chip("cannot tell", "not tested"), esc(told["why"])))
            continue
        low, high = told["interval"]
        found = f"{told['value']:.3f} <small>[{low:.3f}, {high:.3f}]</small> ({esc(told['attacker'])})"
        if "holders" in told:
            found += f"<br>{chip(told['holders'], told['holders'])} <small>{esc(told['worst_level'])}</small>"
        rows.append((esc(told["column"]), chip("pass", "tested"), found))
    heads = ("Secret", "", "Greatest risk of the attackers (harmless: 0), and the worst level of the secret")
    return table("Each secret by itself", heads, rows, class_="prose")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _gates(content: Mapping[str, Any]) -> str:
    rows = [(esc(g["label"]), chip(g["status"], g["status"]), esc(g["reason"])) for g in content["gates"]]
    changed = content["changed_gates"]
    note = f'<p class="note">Gates that the caller changed: {esc(", ".join(changed))}.</p>' if changed else ""
    if content["undecided"] == "note":
        note += '<p class="note">The caller let gates stand that cannot tell for lack of rows.</p>'
    return section(
        "gates", "Gates", table("Every gate of the profile", ("Gate", "", "Why"), rows, class_="prose"), note
    )


def _columns(columns: Sequence[Mapping[str, str]]) -> str:
    rows = [tuple(esc(c[key]) for key in ("name", "type", "role", "treatment")) for c in columns]
    heads = ("Column", "Type", "Role", "What was done")
    return section("columns", "Columns", table("Inventory", heads, rows, class_="prose"))


def _safeguards(safeguards: Mapping[str, Any]) -> str:
    pairs: list[tuple[str, object]] = [("Protection of values", safeguards["protection"])]
    pairs += _flat(safeguards.get("settings", {}))
    body = [_pairs("Set before the run", pairs)]
    changed = safeguards.get("changed", ())
    if changed:
        keys = list(dict.fromkeys(key for own in changed for key in own if key != "column"))
        rows = [(esc(own["column"]), *(esc(own.get(key, 0)) for key in keys)) for own in changed]
        body.append(table("What they changed (counts, never values)", ("Column", *map(esc, keys)), rows))
    return section("safeguards", "Safeguards", *body)


def _flat(value: Any, before: str = "") -> Iterable[tuple[str, object]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{before}{' / ' if before else ''}{str(key).replace('_', ' ')}")
    elif isinstance(value, list) and any(isinstance(inner, (Mapping, list)) for inner in value):
        for k, inner in enumerate(value, 1):
            yield from _flat(inner, f"{before} {k}")
    elif value not in (None, 0, "", [], False):
        yield before, ", ".join(map(str, value)) if isinstance(value, list) else value


def _source(content: Mapping[str, Any]) -> str:
    pairs = (
        list(_flat(content["source"]))
        + [(f"seed: {k}", v) for k, v in content["seeds"].items()]
        + [("model", content["model"])]
    )
    runs = [
        (esc(r["when"]), esc(r["profile"]), esc(r["random_state"]), esc(r["outcome"])) for r in content["earlier_runs"]
    ]
    earlier = table("Earlier runs on the same table", ("When", "Profile", "Seed", "Outcome"), runs) if runs else ""
    return section(
        "source",
        "Source and repetition",
        _pairs("The real table, and how it was divided", pairs),
        earlier,
        _pairs("Versions", content["versions"].items()),
    )


def _limits(content: Mapping[str, Any]) -> str:
    items = "".join(f"<li>{esc(note)}</li>" for note in (*content["limits"], *content["notes"]))
    return section("limits", "What this certificate cannot know", f'<ul class="notes">{items}</ul>')


def _sign(content: Mapping[str, Any]) -> str:
    fields = (
        "Residual risk, and why it is acceptable",
        "Conditions (retention, access, no linking, no second release)",
        "Decision: release / do not release",
        "Name and function",
        "Date and signature",
    )
    rows = [(esc(name), _LINE) for name in fields]
    return section(
        "sign",
        "Assessment and signature",
        table("To be filled in by the controller", ("What", "By hand"), rows, class_="prose"),
        lead=f"To be tested again by {content['retest_by']}, or as soon as recipients, purpose or data change.",
    )
