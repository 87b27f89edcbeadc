"""The benchmark tables: which columns count and as what, the target, and the split.

All of it is written down here by hand, independently of synthkit's own schema inference, so that a mistake there
shows in the figures instead of hiding in them.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn import datasets as sklearn_datasets
from sklearn.model_selection import train_test_split

from synthkit.errors import ParamError
from synthkit.metrics import Kind

__all__ = ["NAMES", "Split", "load", "read_synthetic"]

Task = Literal["classification", "regression"]


@dataclass(frozen=True)
class Split:
    """A table, cut in two.

    Attributes:
        train, holdout: what a synthesizer may see, and what judges it.
        kinds: the columns that count in the metrics (no identifiers, no free text) and what they are.
        target: the column for TSTR; task: what it asks for.
        owners: whose rows they are, ``(rows,)`` of train and of holdout, where persons have several; None: their own.
    """

    name: str
    train: pd.DataFrame
    holdout: pd.DataFrame
    target: Hashable
    kinds: dict[Hashable, Kind]
    task: Task
    owners: tuple[NDArray[Any], NDArray[Any]] | None = None

    def sampled(self, rows: int, seed: int) -> Split:
        """At most ``rows`` training rows, drawn at random, whole persons at a time.

        Rows drawn one by one are of persons with many rows more often than one row of each person is: members and
        controls would differ by that alone.
        """
        if len(self.train) <= rows:
            return self
        if self.owners is None:
            return replace(self, train=self.train.sample(rows, random_state=seed).reset_index(drop=True))
        who = np.unique(self.owners[0], return_inverse=True)[1]
        order = np.random.default_rng(seed).permutation(int(who.max()) + 1)
        chosen = order[np.cumsum(np.bincount(who)[order]) <= rows]
        at = np.flatnonzero(np.isin(who, chosen))
        return replace(
            self, train=self.train.iloc[at].reset_index(drop=True), owners=(self.owners[0][at], self.owners[1])
        )

    def one_each(self, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Train and holdout with one row of each person, drawn at random.

        Other rows of an attacked person must not be among the reference rows: only controls would have them there, and
        would look less like members than they are.
        """
        if self.owners is None:
            return self.train, self.holdout
        rng, out = np.random.default_rng([seed, 5]), []
        for table, owner in zip((self.train, self.holdout), self.owners, strict=True):
            order = rng.permutation(len(table))
            at = np.sort(order[np.unique(owner[order], return_index=True)[1]])
            out.append(table.iloc[at].reset_index(drop=True))
        return out[0], out[1]


@dataclass(frozen=True)
class _Table:
    """How to read a table: its numeric *or* its categorical columns are listed, the rest is the other kind."""

    target: str
    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()  # left out of the table
    text: tuple[str, ...] = ()  # in the table, left out of the metrics
    strings: tuple[str, ...] = ()  # codes, read as text
    split: Literal["official", "stratified", "rows", "entities"] = "rows"
    entity: str | None = None
    task: Task = "classification"
    files: tuple[str, ...] = ()


_FILES: dict[str, _Table] = {
    "adult": _Table(
        "income",
        numeric=("age", "fnlwgt", "education-num", "capital-gain", "capital-loss", "hours-per-week"),
        split="official",
        files=("adult_train", "adult_test"),
    ),
    "credit_default": _Table(
        "default.payment.next.month",
        categorical=(
            *("SEX", "EDUCATION", "MARRIAGE", "PAY_0", "PAY_2", "PAY_3", "PAY_4", "PAY_5", "PAY_6"),
            "default.payment.next.month",
        ),
        drop=("ID",),
        split="stratified",
    ),
    "online_shoppers": _Table(
        "Revenue",
        categorical=(
            *("Month", "OperatingSystems", "Browser", "Region", "TrafficType", "VisitorType", "Weekend", "Revenue"),
        ),
        split="stratified",
    ),
    "german_credit": _Table("class", numeric=("duration", "credit_amount", "age")),
    "pima_diabetes": _Table("Outcome", categorical=("Outcome",)),
    "heart_cleveland": _Table("num", numeric=("age", "trestbps", "chol", "thalach", "oldpeak")),
    "framingham": _Table(
        "TenYearCHD",
        numeric=("age", "cigsPerDay", "totChol", "sysBP", "diaBP", "BMI", "heartRate", "glucose"),
    ),
    "lending_club_loans": _Table(
        "interest_rate",
        categorical=(
            *("state", "homeownership", "verified_income", "verification_income_joint", "loan_purpose"),
            *("application_type", "term", "grade", "sub_grade", "issue_month", "loan_status"),
            *("initial_listing_status", "disbursement_method"),
        ),
        text=("emp_title",),
        task="regression",
    ),
    "diabetes130": _Table(
        "readmitted",
        numeric=(
            *("time_in_hospital", "num_lab_procedures", "num_procedures", "num_medications"),
            *("number_outpatient", "number_emergency", "number_inpatient", "number_diagnoses"),
        ),
        drop=("encounter_id", "patient_nbr"),
        strings=("diag_1", "diag_2", "diag_3"),
        split="entities",
        entity="patient_nbr",
    ),
    "nhanes": _Table(
        "Diabetes",
        categorical=(
            *("SurveyYr", "Gender", "Race1", "Race3", "Education", "MaritalStatus", "HHIncome", "HomeOwn", "Work"),
            *("BMICatUnder20yrs", "BMI_WHO", "Diabetes", "HealthGen", "LittleInterest", "Depressed", "SleepTrouble"),
            *("PhysActive", "TVHrsDay", "CompHrsDay", "Alcohol12PlusYr", "SmokeNow", "Smoke100", "Marijuana"),
            *("RegularMarij", "HardDrugs", "SexEver", "SameSex", "SexOrientation", "PregnantNow"),
            *("SDMVPSU", "SDMVSTRA"),
        ),
        drop=("ID",),
    ),
}
_SKLEARN: dict[str, tuple[str, _Table]] = {
    "breast_cancer": ("load_breast_cancer", _Table("target", categorical=("target",), split="stratified")),
    "wine": ("load_wine", _Table("target", categorical=("target",), split="stratified")),
    "digits": ("load_digits", _Table("target", categorical=("target",), split="stratified")),
    "diabetes": ("load_diabetes", _Table("target", split="rows", task="regression")),
}
NAMES: tuple[str, ...] = (*_FILES, *_SKLEARN)
"""Every data set that :func:`load` knows; the last four come with scikit-learn and need no file."""


def load(name: str, data_dir: str | Path | None = None, split_seed: int = 0, *, dev: bool = True) -> Split:
    """Read a table and split it.

    Args:
        name: one of :data:`NAMES`.
        data_dir: the folder of the ``.csv.gz`` files; not needed for the tables of scikit-learn.
        split_seed: of the split. Adult's is official, so there the seed only moves the ``dev`` cut.
        dev: cut a fifth off the *training* part, by the same rule, and judge on that: the true holdout stays unseen.

    Raises:
        ParamError: the name is unknown, or the file is not in the folder.
    """
    if name in _SKLEARN:
        loader, table = _SKLEARN[name]
        whole = getattr(sklearn_datasets, loader)(as_frame=True).frame
        parts = [whole]
    elif name in _FILES:
        table = _FILES[name]
        parts = [_read(data_dir, file, table) for file in table.files or (name,)]
    else:
        raise ParamError(f"load: argument 'name': {name!r} is no benchmark table; pass one of {', '.join(NAMES)}.")
    train, holdout = parts if table.split == "official" else _cut(parts[0], table, split_seed)
    if dev:
        train, holdout = _cut(train, table, split_seed)
    owners = None if table.entity is None else (train[table.entity].to_numpy(), holdout[table.entity].to_numpy())
    train, holdout = (t.drop(columns=list(table.drop)).reset_index(drop=True) for t in (train, holdout))
    return Split(name, train, holdout, table.target, _kinds(train, table), table.task, owners)


def read_synthetic(name: str, path: str | Path) -> pd.DataFrame:
    """A synthetic version of the table ``name`` from a CSV, its columns read as :func:`load` reads the real ones."""
    table = _SKLEARN[name][1] if name in _SKLEARN else _FILES[name]
    return _read_csv(Path(path), table)


def _read(data_dir: str | Path | None, file: str, table: _Table) -> pd.DataFrame:
    path = Path(data_dir or ".") / f"{file}.csv.gz"
    if not path.is_file():
        raise ParamError(f"load: argument 'data_dir': there is no file {path.name} in it; pass the data's folder.")
    return _read_csv(path, table)


def _read_csv(path: Path, table: _Table) -> pd.DataFrame:
    # "None" is a category in some of these tables; only the empty cell is null
    return pd.read_csv(
        path, keep_default_na=False, na_values=[""], low_memory=False, dtype=dict.fromkeys(table.strings, "str")
    )


def _cut(whole: pd.DataFrame, table: _Table, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """80/20 by the table's rule."""
    if table.split in ("stratified", "official"):  # "official" arrives here for the dev cut only
        train, test = train_test_split(
            np.arange(len(whole)), test_size=0.2, stratify=whole[table.target], random_state=seed
        )
        return whole.iloc[train], whole.iloc[test]
    rng = np.random.default_rng(seed)
    if table.split == "entities":
        keys = np.sort(whole[table.entity].unique())
        chosen = keys[rng.permutation(len(keys))[: int(0.8 * len(keys))]]
        inside = whole[table.entity].isin(chosen).to_numpy()
        return whole[inside], whole[~inside]
    order = rng.permutation(len(whole))
    first = int(0.8 * len(whole))
    return whole.iloc[order[:first]], whole.iloc[order[first:]]


def _kinds(frame: pd.DataFrame, table: _Table) -> dict[Hashable, Kind]:
    def kind(name: Hashable) -> Kind:
        listed = name in table.numeric if table.numeric else name not in table.categorical
        return "numeric" if listed else "categorical"

    return {name: kind(name) for name in frame.columns if name not in table.text}
