"""What a synthesizer must do with any model, as functions over a model's name or recipe."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import torch

from synthkit.conditions import between, isnull, notnull
from synthkit.errors import NotFittedError
from synthkit.models.base import ModelSpec
from synthkit.synthesizers import TabularSynthesizer
from synthkit.testing.tables import tiny_table

__all__ = ["SYNTHESIZER_CHECKS", "check_synthesizer"]


def unfitted(model: str | ModelSpec) -> None:
    """Use before a fit raises NotFittedError."""
    try:
        TabularSynthesizer(model).sample(1)
    except NotFittedError:
        return
    raise AssertionError("sample() before fit() must raise NotFittedError")


def form(fitted: TabularSynthesizer) -> None:
    """As many rows as asked, with the table's columns and dtypes; the same seed gives the same table."""
    table = tiny_table()
    before = torch.random.get_rng_state()
    a, b, c = (fitted.sample(70, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(before, torch.random.get_rng_state()), "sample moves the caller's random state"
    assert len(a) == 70 and len(fitted.sample(0, seed=1)) == 0, "sample(n) must give n rows"
    assert list(a.columns) == list(table.columns) and (a.dtypes == table.dtypes).all(), "columns or dtypes differ"
    assert a.equals(b) and not a.equals(c), "a seed must give one table, and another seed another"
    fitted.schema_.validate(a)


def conditions(fitted: TabularSynthesizer) -> None:
    """``where`` holds in every row."""
    rows = fitted.sample(50, where={"g": "high", "y": between(0, None), "n": notnull()}, seed=1)
    assert (rows["g"] == "high").all() and (rows["y"] >= 0).all() and rows["n"].notna().all(), "'where' is not honoured"
    assert fitted.sample(20, where={"n": isnull()}, seed=1)["n"].isna().all(), "isnull() is not honoured"
    given = pd.DataFrame({"x": [0.5, -0.5], "b": [True, None]})
    rows = fitted.sample(where=given, seed=1)
    assert rows["x"].tolist() == [0.5, -0.5] and rows["b"][0], "given cells must come back"


def imputation(fitted: TabularSynthesizer) -> None:
    """No gap is left, and no given cell is changed."""
    table = tiny_table()
    filled = fitted.impute(table, seed=1)
    gap = table["n"].isna()
    assert filled["n"].notna().all(), "impute leaves gaps"
    assert filled[~gap].equals(table[~gap]), "impute changes given cells"


def files(fitted: TabularSynthesizer) -> None:
    """Saved and loaded, it draws the same."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        fitted.save(path)
        again = TabularSynthesizer.load(path, device=str(fitted._device()))
    assert again.sample(30, seed=1).equals(fitted.sample(30, seed=1)), "a loaded synthesizer draws otherwise"


SYNTHESIZER_CHECKS: tuple[Callable[[TabularSynthesizer], None], ...] = (form, conditions, imputation, files)


def check_synthesizer(model: str | ModelSpec, max_steps: int = 10) -> None:
    """Run every check of a synthesizer with your model, on a tiny table.

    Raises:
        AssertionError: says what is wrong.
    """
    unfitted(model)
    fitted = TabularSynthesizer(model, random_state=0, max_steps=max_steps).fit(tiny_table())
    for check in SYNTHESIZER_CHECKS:
        try:
            check(fitted)
        except AssertionError as error:
            raise AssertionError(f"the synthesizer fails {check.__name__!r}: {error}") from error
