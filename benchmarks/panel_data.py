"""The benchmark panels: which columns count and as what, the context, the label, and the split by entities.

All of it is written down here by hand, apart from synthkit's own recognition of types and of context, so that a
mistake there shows in the figures instead of hiding in them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.errors import ParamError
from synthkit.metrics import Kind

__all__ = ["NAMES", "PanelSplit", "load"]

_STAYS, _EVENT_STAYS, _EVENT_MINUTES = 1000, 300, 16 * 60
_CHOICE = 2012  # seed of the choice of stays, which no split may move
_TESTS = ("DIABP", "SYSBP", "PULSE", "TEMP", "WEIGHT")
_VITALS = ("HR", "Temp", "NISysABP", "NIDiasABP", "NIMAP", "RespRate", "GCS", "Urine")
_SUBJECT = ("AGE", "SEX", "RACE", "ETHNIC", "ARM")


@dataclass(frozen=True)
class _Panel:
    """A whole panel, before it is cut."""

    frame: pd.DataFrame
    entity: str
    time: str | None
    context: tuple[str, ...]
    categorical: tuple[str, ...]
    target: str | None = None
    telling: tuple[str, ...] = ()
    code: str | None = None
    value: str | None = None
    split_by: pd.Series[int] | None = field(default=None, repr=False)  # where it is not the entity; on frame's index


@dataclass(frozen=True)
class PanelSplit:
    """A panel, cut in two; no entity is in both parts.

    Attributes:
        train, holdout: what a synthesizer may see, and what judges it; rows of an entity in the order of time.
        entity, time: names of columns; ``time`` is ``None`` where the rows of an entity have no order.
        context: the columns that are constant within entities.
        kinds: the judged columns (neither entity nor time) and what they are.
        target: a label of entities that TSTR predicts, or ``None``; telling: columns that give it away, left out then.
        code, value: of a long form, the column that names what was measured, and that of its number.
    """

    name: str
    train: pd.DataFrame
    holdout: pd.DataFrame
    entity: str
    time: str | None
    context: tuple[str, ...]
    kinds: dict[Hashable, Kind]
    target: str | None
    telling: tuple[str, ...] = ()
    code: str | None = None
    value: str | None = None


def load(name: str, data_dir: str | Path, split_seed: int = 0, *, dev: bool = True) -> PanelSplit:
    """Read a panel and split it by entities: a random 80 % of the sorted keys are train.

    Args:
        name: one of :data:`NAMES`.
        data_dir: the folder of the ``.csv.gz`` files.
        split_seed: of the split.
        dev: cut a fifth of the *training* entities off, by the same rule, and judge on them: the true holdout stays
            unseen.

    Raises:
        ParamError: the name is unknown, or a file is not in the folder.
    """
    if name not in _PANELS:
        raise ParamError(f"load: argument 'name': {name!r} is no benchmark panel; pass one of {', '.join(NAMES)}.")
    panel = _PANELS[name](Path(data_dir))
    frame = panel.frame
    key = frame[panel.entity] if panel.split_by is None else panel.split_by
    train, holdout = _cut(frame, key, split_seed)
    if dev:
        train, holdout = _cut(train, key.loc[train.index], split_seed)
    kinds: dict[Hashable, Kind] = {
        str(c): "categorical" if c in panel.categorical else "numeric"
        for c in frame.columns
        if c not in (panel.entity, panel.time)
    }
    return PanelSplit(
        name,
        train.reset_index(drop=True),
        holdout.reset_index(drop=True),
        panel.entity,
        panel.time,
        panel.context,
        kinds,
        panel.target,
        panel.telling,
        panel.code,
        panel.value,
    )


def _cut(frame: pd.DataFrame, key: pd.Series[int], seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    keys = np.sort(key.unique())
    chosen = keys[np.random.default_rng(seed).permutation(len(keys))[: int(0.8 * len(keys))]]
    inside = key.isin(chosen).to_numpy()
    return frame[inside], frame[~inside]


def _read(folder: Path, file: str, strings: tuple[str, ...] = ()) -> pd.DataFrame:
    path = folder / f"{file}.csv.gz"
    if not path.is_file():
        raise ParamError(f"load: argument 'data_dir': there is no file {path.name} in it; pass the data's folder.")
    kinds = dict.fromkeys(strings, "str")
    return pd.read_csv(path, keep_default_na=False, na_values=[""], low_memory=False, dtype=kinds)


# -------------------------------------------------------------------- the panels
def _pbcseq(folder: Path) -> _Panel:
    frame = _read(folder, "pbcseq").sort_values(["id", "day"], kind="stable")
    context = ("futime", "status", "trt", "age", "sex")
    categorical = ("status", "trt", "sex", "ascites", "hepato", "spiders", "edema", "stage")
    return _Panel(frame, "id", "day", context, categorical, "status")


def _framingham_long(folder: Path) -> _Panel:
    """Days since the first exam are the time; the number of the exam, which they tell, is left out."""
    frame = _read(folder, "framingham_long").sort_values(["RANDID", "TIME"], kind="stable").drop(columns="PERIOD")
    times = ("TIMEAP", "TIMEMI", "TIMEMIFC", "TIMECHD", "TIMESTRK", "TIMECVD", "TIMEDTH", "TIMEHYP")
    flags = ("DEATH", "ANGINA", "HOSPMI", "MI_FCHD", "ANYCHD", "STROKE", "CVD", "HYPERTEN")
    moving = ("CURSMOKE", "DIABETES", "BPMEDS", "PREVCHD", "PREVAP", "PREVMI", "PREVSTRK", "PREVHYP")
    context = ("SEX", "educ", *flags, *times)
    # every time is cut off at death, so that any of them tells it
    return _Panel(frame, "RANDID", "TIME", context, ("SEX", "educ", *flags, *moving), "DEATH", telling=times)


def _signs(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    signs = _read(folder, "cdisc_vs").sort_values(["USUBJID", "VSDTC", "VISITNUM", "VSSEQ"], kind="stable")
    subjects = _read(folder, "cdisc_dm")[["USUBJID", *_SUBJECT]]
    return signs, subjects


def _cdisc_vs(folder: Path) -> _Panel:
    """A row per measurement. Left out: constants, and what test, position and date tell (texts, units, visits)."""
    signs, subjects = _signs(folder)
    frame = signs[["USUBJID", "VSDTC", "VSTESTCD", "VSELTM", "VSLOC", "VSSTRESN"]].merge(subjects, on="USUBJID")
    frame["VSDTC"] = pd.to_datetime(frame["VSDTC"])
    categorical = ("VSTESTCD", "VSELTM", "VSLOC", *_SUBJECT[1:])
    return _Panel(frame, "USUBJID", "VSDTC", _SUBJECT, categorical, code="VSTESTCD", value="VSSTRESN")


def _cdisc_vs_wide(folder: Path) -> _Panel:
    """A row per visit, with the last value of each test (means would leave the grid); height once, as context."""
    signs, subjects = _signs(folder)
    visit = ["USUBJID", "VSDY", "VISITNUM"]
    last = signs.pivot_table("VSSTRESN", visit, "VSTESTCD", aggfunc="last")
    height = last["HEIGHT"].groupby("USUBJID").first().rename("HEIGHT")
    wide = last[list(_TESTS)].reset_index().drop(columns="VISITNUM").rename_axis(columns=None)
    frame = wide.merge(subjects.merge(height, on="USUBJID"), on="USUBJID")
    return _Panel(frame, "USUBJID", "VSDY", (*_SUBJECT, "HEIGHT"), _SUBJECT[1:])


def _stays(folder: Path, stays: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Events of so many stays with the minute, and their descriptors. Survival, which tells death, is left out."""
    events = _read(folder, "physionet2012_events")
    keys = np.sort(events["RecordID"].unique())
    chosen = keys[np.random.default_rng(_CHOICE).permutation(len(keys))[:stays]]
    events = events[events["RecordID"].isin(chosen)]
    clock = events["Time"].str.split(":", expand=True).astype("int64")
    events = events.assign(minute=clock[0] * 60 + clock[1])
    return events, _read(folder, "physionet2012_patients").drop(columns="Survival")


def _physionet2012(folder: Path) -> _Panel:
    """A row per hour with the last value of each of eight vital signs, of 1,000 stays; hours without any are absent."""
    events, patients = _stays(folder, _STAYS)
    events = events[events["Parameter"].isin(_VITALS)].assign(hour=events["minute"] // 60)
    events = events.sort_values(["RecordID", "minute"], kind="stable")
    wide = events.pivot_table("Value", ["RecordID", "hour"], "Parameter", aggfunc="last")
    frame = wide[list(_VITALS)].reset_index().rename_axis(columns=None).merge(patients, on="RecordID")
    context = tuple(c for c in patients.columns if c != "RecordID")
    categorical = ("Gender", "ICUType", "In-hospital_death")
    return _Panel(frame, "RecordID", "hour", context, categorical, "In-hospital_death", telling=("Length_of_stay",))


def _physionet2012_events(folder: Path) -> _Panel:
    """A row per measurement of 300 stays, all parameters; the first 16 hours, which are about 50,000 rows."""
    events, patients = _stays(folder, _EVENT_STAYS)
    events = events[events["minute"] < _EVENT_MINUTES].sort_values(["RecordID", "minute"], kind="stable")
    context = ("Age", "Gender", "ICUType")
    frame = events[["RecordID", "minute", "Parameter", "Value"]].merge(patients[["RecordID", *context]], on="RecordID")
    categorical = ("Parameter", "Gender", "ICUType")
    return _Panel(frame, "RecordID", "minute", context, categorical, code="Parameter", value="Value")


def _berka_trans(folder: Path) -> _Panel:
    """Transactions of accounts. Those of a day stand in the order in which the running balance adds up.

    ``trouble`` is known of the 160 accounts with a loan only, 25 of them "yes": too few for a figure of TSTR on one
    split to mean much.
    """
    frame = _chained(_read(folder, "berka_trans")).drop(columns=["trans_id", "account"])
    frame["date"] = pd.to_datetime(frame["date"].astype(str), format="%y%m%d")
    accounts = _read(folder, "berka_account")[["account_id", "district_id", "frequency"]]
    loans = _read(folder, "berka_loan")
    loans["trouble"] = loans["status"].isin(["B", "D"]).map({True: "yes", False: "no"})
    accounts = accounts.merge(loans[["account_id", "trouble"]], on="account_id", how="left")
    accounts["district_id"] = "d" + accounts["district_id"].astype(str)  # a code
    frame = frame.merge(accounts, on="account_id")
    context = ("district_id", "frequency", "trouble")
    return _Panel(frame, "account_id", "date", context, ("type", "operation", "k_symbol", "bank", *context), "trouble")


def _chained(table: pd.DataFrame) -> pd.DataFrame:
    """Sorted by account and date; within a day, next is the first row whose balance is the last one's plus its amount.

    The numbers of transactions do not keep that order (64 % of rows add up), which was lost with the time of day.
    """
    table = table.sort_values(["account_id", "date"], kind="stable").reset_index(drop=True)
    sign = np.where(table["type"] == "PRIJEM", 1, -1)
    step, balance = (_tenths(x) for x in (sign * table["amount"], table["balance"]))  # amounts have one decimal
    account = table["account_id"].to_numpy()
    changed = (table[["account_id", "date"]] != table[["account_id", "date"]].shift()).any(axis=1)
    starts = np.flatnonzero(changed.to_numpy())
    order: list[int] = []
    before = 0
    for start, end in zip(starts, [*starts[1:], len(table)], strict=True):
        if start == 0 or account[start] != account[start - 1]:
            before = 0
        left = list(range(start, end))
        while left:
            row = next((i for i in left if abs(before + step[i] - balance[i]) <= 1), left[0])
            left.remove(row)
            order.append(row)
            before = balance[row]
    return table.iloc[order].reset_index(drop=True)


def _tenths(values: pd.Series[float]) -> NDArray[np.int64]:
    return np.round(values.to_numpy() * 10).astype(np.int64)


def _mimic3demo_diagnoses_icd(folder: Path) -> _Panel:
    """The codes of a hospital stay, without order; split by patient, so that no patient is in both parts."""
    codes = _read(folder, "mimic3demo_diagnoses_icd", ("icd9_code",)).drop(columns="row_id")
    stays = _read(folder, "mimic3demo_admissions")[["hadm_id", "admission_type", "hospital_expire_flag"]]
    frame = codes.merge(stays, on="hadm_id").sort_values(["hadm_id", "seq_num"], kind="stable")
    patient = frame["subject_id"]
    context = ("admission_type", "hospital_expire_flag")
    categorical = ("icd9_code", *context)
    frame = frame.drop(columns="subject_id")
    return _Panel(frame, "hadm_id", None, context, categorical, code="icd9_code", split_by=patient)


_PANELS: dict[str, Callable[[Path], _Panel]] = {
    "pbcseq": _pbcseq,
    "framingham_long": _framingham_long,
    "cdisc_vs": _cdisc_vs,
    "cdisc_vs_wide": _cdisc_vs_wide,
    "physionet2012": _physionet2012,
    "physionet2012_events": _physionet2012_events,
    "berka_trans": _berka_trans,
    "mimic3demo_diagnoses_icd": _mimic3demo_diagnoses_icd,
}
NAMES: tuple[str, ...] = tuple(_PANELS)
"""Every panel that :func:`load` knows."""
