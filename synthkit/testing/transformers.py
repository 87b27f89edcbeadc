"""What every column transformer must do, as functions over example columns."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthkit.errors import SynthkitWarning
from synthkit.protect import Protection
from synthkit.schema import ColumnType
from synthkit.transforms import ColumnTransformer

__all__ = ["TRANSFORMER_CHECKS", "TransformerCase", "check_transformer"]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class TransformerCase:
    """An example column.

    Attributes:
        kind: its type; values: its filled cells, canonical (``synthkit.inference.canonical``).
        unseen: values of the same kind that the column does not hold.
        resolution: how far a decoded number may be off at ``min_count=1``.
        rare_is_secret: the values have so many digits that a rare one found in a state is no coincidence.
    """

    kind: ColumnType
    values: Array
    unseen: Array | None = None
    resolution: float = 0.0
    rare_is_secret: bool = False


def _fit(
    cls: type[ColumnTransformer], case: TransformerCase, k: int = 1, values: Array | None = None, **more: Any
) -> Any:
    t = cls(case.kind)
    t.update(case.values if values is None else values, **more)
    return _finish(t, k)


def _finish(t: ColumnTransformer, k: int) -> ColumnTransformer:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SynthkitWarning)  # odd but usable columns are what these checks are for
        t.finish(Protection(min_count=k))
    return t


def _entries(t: ColumnTransformer, values: Array) -> dict[str, Array]:
    """Encoded values in the form that ``decode`` takes."""
    sizes = {p.name: p.size for p in t.parts}
    out: dict[str, Array] = {}
    for name, (value, known) in t.encode(values).items():
        out[name] = np.where(known, value, 0)
        if sizes[name]:
            out[name + ":known"] = known
    return out


def _round_trip(t: ColumnTransformer, values: Array, seed: int = 0) -> Array:
    return t.decode(_entries(t, values), len(values), np.random.default_rng(seed))


def _off(got: Array, want: Array, resolution: float) -> NDArray[np.bool_]:
    """Where two arrays of values differ by more than the resolution."""
    if want.dtype.kind in "if" and resolution:
        return np.asarray(np.abs(got - want) > resolution)
    return np.asarray([g != w for g, w in zip(got.tolist(), want.tolist(), strict=True)], dtype=bool)


def _same_state(a: ColumnTransformer, b: ColumnTransformer, what: str) -> None:
    (json_a, arrays_a), (json_b, arrays_b) = a.to_state(), b.to_state()
    assert json_a == json_b, f"{what}: the JSON state differs"
    assert arrays_a.keys() == arrays_b.keys(), f"{what}: the arrays' names differ"
    for name, array in arrays_a.items():
        assert array.shape == arrays_b[name].shape, f"{what}: array {name!r} has another shape"
        scale = float(np.abs(array).max(initial=0.0))
        assert np.allclose(array, arrays_b[name], rtol=1e-9, atol=1e-12 * scale), f"{what}: array {name!r} differs"


# ---------------------------------------------------------------- the checks
def inverse(cls: type[ColumnTransformer], case: TransformerCase) -> None:
    """decode(encode(x)) is x within the declared resolution, if every value may be stored."""
    t = _fit(cls, case)
    got = _round_trip(t, case.values)
    assert got.shape == case.values.shape, "decode must return one value per row"
    if t.parts:
        assert not _off(got, case.values, case.resolution).any(), "decode(encode(x)) differs from x"


def dtype(cls: type[ColumnTransformer], case: TransformerCase) -> None:
    """Decoded values have the canonical dtype kind; a whole number may come as a float if it does not fit."""
    t = _fit(cls, case)
    if t.parts:
        got, want = _round_trip(t, case.values).dtype.kind, case.values.dtype.kind
        assert got == want or (want == "f" and got == "i"), f"decode gives dtype kind {got!r} for {want!r}"


def parts(cls: type[ColumnTransformer], case: TransformerCase) -> None:
    """Entries fit the parts: codes in range, offsets in [0, 1], each known only where its parent lets it apply."""
    for k in (1, 5):
        t = _fit(cls, case, k)
        encoded = t.encode(case.values)
        sizes = {p.name: p.size for p in t.parts}
        assert set(encoded) == set(sizes), "encode must return exactly the parts"
        for p in t.parts:
            value, known = encoded[p.name]
            assert len(value) == len(known) == len(case.values), f"part {p.name!r} needs one entry per row"
            assert known.dtype == bool, f"part {p.name!r}: the second array must be bool"
            top = p.size - 1 if p.size else 1
            assert ((value[known] >= 0) & (value[known] <= top)).all(), f"part {p.name!r} leaves its range"
            if p.given is not None:
                assert sizes.get(p.given[0]), f"part {p.name!r} is given a part that has no codes"
                applies = np.isin(encoded[p.given[0]][0], p.given[1])
                assert (known <= applies).all(), f"part {p.name!r} is known where it does not apply"


def state(cls: type[ColumnTransformer], case: TransformerCase) -> None:
    """State is JSON and plain arrays, and says everything: a transformer that loads it does the same."""
    t = _fit(cls, case)
    value, arrays = t.to_state()
    for name, array in arrays.items():
        assert isinstance(array, np.ndarray) and array.dtype.kind in "biuf", f"array {name!r} must hold numbers"
    again = cls(case.kind)
    again.load_state(json.loads(json.dumps(value)), {name: array.copy() for name, array in arrays.items()})
    assert again.parts == t.parts, "load_state gives other parts"
    for name, pair in t.encode(case.values).items():
        assert all(np.array_equal(a, b) for a, b in zip(pair, again.encode(case.values)[name], strict=True))
    a, b = (_round_trip(x, case.values, seed=3) for x in (t, again))
    assert a.tolist() == b.tolist(), "load_state gives a transformer that decodes otherwise"


def input_untouched(cls: type[ColumnTransformer], case: TransformerCase) -> None:
    """Fitting and encoding leave their input as it was: read-only arrays are welcome (pandas 3 hands them out)."""
    values, n = case.values.copy(), len(case.values)
    entity, weight = np.arange(n) // 2, np.linspace(0.5, 1.5, n)
    for array in (values, entity, weight):
        array.setflags(write=False)
    t = _fit(cls, case, 1, values, entity=entity, weight=weight)
    t.encode(values)
    assert values.tolist() == case.values.tolist()


def pieces(cls: type[ColumnTransformer], case: TransformerCase) -> None:
    """Pieces in any order, by update or merge, give the state of one piece."""
    for k in (1, 5):
        whole, n = _fit(cls, case, k), len(case.values)
        cuts = [case.values[: n // 3], case.values[n // 3 : n // 2], case.values[n // 2 :]]
        for order in ((0, 1, 2), (2, 0, 1)):
            one = cls(case.kind)
            for i in order:
                one.update(cuts[i])
            _same_state(_finish(one, k), whole, f"update in the order {order}, min_count={k}")
            ones = [cls(case.kind) for _ in cuts]
            for t, cut in zip(ones, cuts, strict=True):
                t.update(cut)
            first = ones[order[0]]
            for i in order[1:]:
                first.merge(ones[i])
            _same_state(_finish(first, k), whole, f"merge in the order {order}, min_count={k}")


def grid(cls: type[ColumnTransformer], case: TransformerCase) -> None:
    """Numbers that are all multiples of something stay so, also where values are drawn between the stored ones."""
    if case.values.dtype.kind != "i" or case.resolution or np.count_nonzero(case.values) < 5:
        return
    t, rng = _fit(cls, case, 5), np.random.default_rng(0)
    if t.parts:
        entries = _entries(t, case.values)
        drawn = {name: rng.random(len(v)) if v.dtype.kind == "f" else v for name, v in entries.items()}
        step = int(np.gcd.reduce(case.values))
        assert (t.decode(drawn, len(case.values), rng) % step == 0).all(), f"values leave their grid of {step}"


def few_rows(cls: type[ColumnTransformer], case: TransformerCase) -> None:
    """No row, one row, one value in all rows: no error, and one row comes back at ``min_count=1``."""
    for values in (case.values[:0], case.values[:1], np.repeat(case.values[:1], 30)):
        for k in (1, 5):
            t = _fit(cls, case, k, values)
            got = _round_trip(t, values)
            assert len(got) == len(values)
            if t.parts and len(values) >= k:
                assert not _off(got, values, case.resolution).any(), f"{len(values)} equal rows do not come back"
            zero = {p.name: np.zeros(3, int if p.size else float) for p in t.parts}
            assert len(t.decode(zero, 3, np.random.default_rng(0))) == 3, "a column of few rows must still decode"


def unseen(cls: type[ColumnTransformer], case: TransformerCase) -> None:
    """A value that training never showed is encoded as not known, or as a near one; decoding it is sound."""
    if case.unseen is None:
        return
    for k in (1, 5):
        t = _fit(cls, case, k)
        got = _round_trip(t, case.unseen)
        assert len(got) == len(case.unseen)
        if got.dtype.kind == "f":
            assert np.isfinite(got).all(), "an unseen value decodes to no finite number"
        if t.parts and case.values.dtype.kind == "O" and k == 1:
            assert set(got.tolist()) <= set(case.values.tolist()), "an unseen value decodes to none of the column's"


def protected(cls: type[ColumnTransformer], case: TransformerCase) -> None:
    """At ``min_count=5``, values of 5 rows or more come back exactly, and a rarer category never does."""
    t = _fit(cls, case, 5)
    if not t.parts or getattr(case.kind, "categories", None) is not None:
        return
    distinct, inverse_, count = np.unique(case.values, return_inverse=True, return_counts=True)
    got = _round_trip(t, case.values)
    often = count[inverse_] >= 5
    if not _declares_calendar(t):
        assert not _off(got[often], case.values[often], case.resolution).any(), "a frequent value is changed"
    if case.values.dtype.kind == "O":
        rare = set(distinct[count < 5].tolist())
        assert not rare & set(got.tolist()), "a rare category comes back"
    if case.rare_is_secret:
        no_secrets(t, distinct[count < 5])


def _declares_calendar(t: ColumnTransformer) -> bool:
    """A date is frequent in parts: its week, weekday and time may be known where the date itself is rare."""
    return len({p.name for p in t.parts} - {"code", "offset"}) > 0


def no_secrets(t: ColumnTransformer, secrets: Array) -> None:
    """Raise AssertionError if one of the values is found in the transformer's state."""
    value, arrays = t.to_state()
    text = json.dumps(value)
    numbers = secrets.dtype.kind in "if"
    for secret in secrets.tolist():
        assert repr(secret) not in text and str(secret) not in text, "the JSON state holds a rare value"
    for name, array in arrays.items():
        if numbers:
            assert not np.isin(array.astype(float).ravel(), secrets.astype(float)).any(), f"array {name!r} leaks"


def entities(cls: type[ColumnTransformer], case: TransformerCase) -> None:
    """Rows of one entity are one voice: what only it says is not stored at ``min_count=5``."""
    if not case.rare_is_secret:
        return
    distinct, count = np.unique(case.values, return_counts=True)
    rare = distinct[count < 5]
    repeated = np.repeat(rare[:1], 40)
    values = np.concatenate([case.values, repeated])
    owner = np.concatenate([np.arange(len(case.values)) + 1, np.zeros(len(repeated), int)])
    t = _fit(cls, case, 5, values, entity=owner)
    no_secrets(t, rare[:1])
    no_secrets(_fit(cls, case, 5, repeated, entity=np.zeros(len(repeated), int)), rare[:1])
    no_secrets(_fit(cls, case, 5, rare[:4]), rare[:4])
    # Forty values of one entity: no mean of them may be stored either.
    no_secrets(_fit(cls, case, 5, values, entity=np.zeros(len(values), int)), rare)


def contained(cls: type[ColumnTransformer], case: TransformerCase) -> None:
    """The learnt domain holds every value that is stored."""
    assert _fit(cls, case).contains(case.values).all(), "contains() denies a training value"


def ranges(cls: type[ColumnTransformer], case: TransformerCase) -> None:
    """A range allows the code of every value inside it, and everything if it is open at both ends."""
    t = _fit(cls, case)
    if not t.ranges(None, None):
        return
    for r in t.ranges(None, None):
        code, known = t.encode(case.values)[r.part]
        assert np.allclose(r.weights[code[known]], 1.0), "an open range must allow every code in use"
    order = sorted(set(case.values.tolist()), key=_rank(t))
    for a, b in ((0, len(order) // 3), (len(order) // 3, len(order) // 2), (len(order) // 2, len(order) - 1)):
        low, high = order[a], order[b]
        inside = np.array([_rank(t)(low) <= _rank(t)(v) <= _rank(t)(high) for v in case.values.tolist()])
        for r in t.ranges(low, high):
            code, _ = t.encode(case.values)[r.part]
            assert (r.weights[code[inside]] > 0).all(), "a range forbids the code of a value inside it"
            assert ((r.weights >= 0) & (r.weights <= 1 + 1e-9)).all(), "weights are shares"
            assert (r.low <= r.high + 1e-9).all(), "an interval of offsets is upside down"
            alone = np.bincount(code[inside], minlength=len(r.weights)) == 0
            used = np.bincount(code, minlength=len(r.weights)) > 0
            if r.part == t.parts[0].name and not _declares_calendar(t):
                assert (r.weights[alone & used] < 0.999).all(), "a range allows the whole of a code outside it"


def _rank(t: ColumnTransformer) -> Callable[[Any], Any]:
    categories = getattr(t, "categories", None)
    return (lambda v: v) if categories is None else list(categories).index


def listed(cls: type[ColumnTransformer], case: TransformerCase) -> None:
    """A list allows the codes of its values and no others."""
    t = _fit(cls, case)
    chosen = case.values[:3]
    for r in t.listed(chosen):
        code, known = t.encode(chosen)[r.part]
        expected = np.zeros(len(r.weights), dtype=bool)
        expected[code[known]] = True
        assert ((r.weights > 0) == expected).all(), "a list must allow the codes of its values, and only these"


def weights(cls: type[ColumnTransformer], case: TransformerCase) -> None:
    """Equal weights are no weights; a weight of 2 is the row twice; a weight of 0 is no error."""
    n = len(case.values)
    plain = _fit(cls, case)
    _same_state(_fit(cls, case, weight=np.ones(n)), plain, "weights of 1")
    double = np.where(np.arange(n) % 3 == 0, 2, 1)
    twice = _fit(cls, case, values=np.repeat(case.values, double))
    if plain.parts:
        _same_state(_fit(cls, case, weight=double.astype(float)), twice, "weights of 2")
        got = _round_trip(_fit(cls, case, 5, weight=(np.arange(n) < n // 2).astype(float)), case.values)
        assert got.dtype.kind != "f" or np.isfinite(got).all(), "weights of 0 make values that are no numbers"


TRANSFORMER_CHECKS: tuple[Callable[[type[ColumnTransformer], TransformerCase], None], ...] = (
    inverse,
    dtype,
    parts,
    state,
    input_untouched,
    pieces,
    grid,
    few_rows,
    unseen,
    protected,
    entities,
    contained,
    ranges,
    listed,
    weights,
)


def check_transformer(cls: type[ColumnTransformer], cases: Sequence[TransformerCase]) -> None:
    """Run every transformer check on your class.

    Args:
        cls: the transformer; cases: example columns of its type: give odd ones too (constant, huge, all distinct).

    Raises:
        AssertionError: names the check and says what is wrong.
    """
    assert cases, "give at least one TransformerCase"
    for check in TRANSFORMER_CHECKS:
        for case in cases:
            try:
                check(cls, case)
            except AssertionError as error:
                raise AssertionError(f"{cls.__name__} fails {check.__name__!r}: {error}") from error
