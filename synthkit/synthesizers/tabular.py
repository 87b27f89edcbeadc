"""TabularSynthesizer: fit a DataFrame, draw, condition, fill, score, save."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from synthkit.conditions import Compiled, compile_where
from synthkit.encoder import TableEncoder
from synthkit.enforce import Enforcer
from synthkit.errors import ConditionError, NotFittedError, ParamError
from synthkit.layout import Allowed, Encoded
from synthkit.learnt_rules import learn_rules
from synthkit.models import MODELS, Joint, Model, ModelSpec
from synthkit.params import AnyOf, InstanceOf, Interval, OneOf, Optional, SequenceOf, check
from synthkit.progress import Progress
from synthkit.protect import Protect, Protection
from synthkit.protected import ProtectionReport
from synthkit.rules import Rule
from synthkit.runtime import entropy, resolve_device, seeded, single_precision
from synthkit.schema import Schema
from synthkit.synthesizers import latent
from synthkit.synthesizers.choice import choose, compare, owners
from synthkit.synthesizers.combinations import Combinations
from synthkit.synthesizers.filled import Filled
from synthkit.synthesizers.records import warn_of_records
from synthkit.synthesizers.scenarios import Scenarios
from synthkit.synthesizers.stored import Stored
from synthkit.synthesizers.training import Training

__all__ = ["TabularSynthesizer"]

_BLOCK = 8192  # rows drawn with one seed: memory is bounded, and neither it nor threads change the table
_ROUNDS = 100  # of rejection by ``accept``
_FEW = 2000  # rows: with fewer, "auto" lets the trees compete


class TabularSynthesizer(Scenarios, Filled, Stored, BaseEstimator):  # type: ignore[misc]
    """A generative model of one table.

    Args:
        model: "auto", a registered name (``synthkit.models.MODELS``), or a ``ModelSpec`` with its hyper-parameters.
        schema: column types; None: inferred.
        entity: the column that says whose row it is: validation splits and minimum counts go by it.
        weight: the column of survey weights; it multiplies the loss per row, and is constant in synthetic tables.
        protect: how many rows (entities) must stand behind whatever is stored, and what is done with extremes, exact
            digits and rare combinations: "standard" (5), "health" (11), "strict" (20), a ``Protection``, or None: off.
        rules: what holds in every row that is drawn or filled (``synthkit.rules``). True: the rules of the schema, or,
            where none is given, those that the table shows; a sequence: exactly these; False: none.
        gaps: what an empty cell of the training table is: "learn": a value like others, which is drawn, too; "skip": a
            value that nobody wrote down, so that complete rows are learnt and drawn.
        max_seconds, max_steps: stop training there; the steps taken are in ``n_steps_``, and ``max_steps`` repeats
            the fit exactly.
        device: "auto" (the first GPU, else the CPU), or as torch names it.
        progress: True for a bar on stderr, or a callable given ``Progress``; returning True stops the training.
        random_state: an integer for a repeatable fit; None draws one.

    Attributes:
        schema_, encoder_, model_: what was learnt; protection_: what was changed for protection, in counts;
        choice_: which model, and why, in a sentence;
        n_steps_: training steps, by stage where the model has several; history_: the log, and marginals_: every
        column's own law, both for ``synthkit.plots.training``, and not in files;
        seed_: the random state in use;
        joint_: how the last draw under several set-valued conditions went (``synthkit.models.Joint``), or None.

    Example:
        >>> from synthkit import TabularSynthesizer
        >>> table = pd.DataFrame({"x": [1, 2, 3, 4] * 10, "y": ["a", "b"] * 20})
        >>> synthesizer = TabularSynthesizer("independent", random_state=0).fit(table)
        >>> synthesizer.sample(3, where={"y": "b"}, seed=1)["y"].tolist()
        ['b', 'b', 'b']
    """

    def __init__(
        self,
        model: str | ModelSpec = "auto",
        *,
        schema: Schema | None = None,
        entity: Hashable | None = None,
        weight: Hashable | None = None,
        protect: Protect = "standard",
        gaps: Literal["learn", "skip"] = "learn",
        max_seconds: float | None = None,
        max_steps: int | Sequence[int] | None = None,
        device: str | torch.device = "auto",
        progress: bool | Callable[[Progress], bool | None] | None = None,
        random_state: int | None = None,
        rules: Sequence[Rule] | bool = True,
    ) -> None:
        self.model = model
        self.schema = schema
        self.entity = entity
        self.weight = weight
        self.protect = protect
        self.max_seconds = max_seconds
        self.max_steps = max_steps
        self.gaps = gaps
        self.device = device
        self.progress = progress
        self.random_state = random_state
        self.rules = rules

    # ---------------------------------------------------------------- fit
    def fit(self, table: pd.DataFrame, y: None = None) -> Self:
        """Learn ``table``, which stays as it is. Warns where its rows look like records over time, without an entity.

        Raises:
            ParamError, SchemaError, TrainingError: each names the argument or column and the remedy.
        """
        spec = self._check()
        device = resolve_device(self.device)
        seed = entropy(None) if self.random_state is None else int(self.random_state)
        encoder = TableEncoder(
            self.schema, protect=self.protect, entity=self.entity, weight=self.weight, seed=entropy(seed, 7)
        ).fit(table)
        if encoder.schema_.entity is None:
            warn_of_records(table)
        learns = getattr(self.progress, "learns", None)  # a picture that decodes drawn rows
        if learns is not None:
            learns(encoder)
        encoder.schema_ = learn_rules(self.rules, self.schema, encoder, table)
        data = encoder.encode(table) if self.gaps == "learn" else encoder.encode(table, "fill", partial=True)
        weights = encoder.weights(table)
        weight = None if weights is None else torch.from_numpy(weights).float().to(device)
        self.combinations_ = Combinations.fit(
            Protection.of(self.protect), encoder, data, owners(table, encoder), entropy(seed, 7)
        )
        if self.combinations_ is not None:
            encoder.tell_combinations(Protection.of(self.protect), self.combinations_.counts)
        auto = spec is None
        spec, choice = (spec, f"{spec.name}: as asked.") if spec is not None else choose(encoder, len(table))
        spec = spec.adapted(encoder.layout_, len(table))
        data, owner = data.to(device), owners(table, encoder)
        training = Training(
            spec, encoder.layout_, device, seed, self.max_steps, self.max_seconds, progress=self.progress
        )
        with single_precision():
            model = training.fit(data, weight, owner)
            if auto and training.held is not None and len(table) < _FEW:
                rival = Training(MODELS["trees"](), encoder.layout_, device, seed)
                better, choice = compare(training.held, rival.trial(data, weight, owner))
                if better:
                    spec, model = rival.spec, rival.fit(data, weight, owner)
            marginals = MODELS["independent"]().build(encoder.layout_, data, weight)
        self.encoder_, self.schema_, self.model_ = encoder, encoder.schema_, model
        self.spec_, self.choice_, self.seed_ = spec, choice, seed
        self.history_, self.n_steps_ = training.history, training.steps
        self.marginals_: Model | None = marginals
        return self

    def _check(self) -> ModelSpec | None:
        name = type(self).__name__
        check(name, "gaps", self.gaps, OneOf("learn", "skip"))
        check(name, "max_seconds", self.max_seconds, Optional(Interval(float, 0, None, "neither")))
        check(name, "max_steps", self.max_steps, Optional(AnyOf(Interval(int, 1), SequenceOf(Interval(int, 1)))))
        check(name, "random_state", self.random_state, Optional(Interval(int, 0)))
        Protection.of(self.protect, name)
        check(name, "schema", self.schema, Optional(InstanceOf(Schema)))
        if self.progress is not None and not isinstance(self.progress, bool) and not callable(self.progress):
            raise ParamError(f"{name}: argument 'progress' must be True, None or a callable.")
        listed = isinstance(self.rules, Sequence) and all(isinstance(rule, Rule) for rule in self.rules)
        if not listed and not isinstance(self.rules, bool):
            raise ParamError(f"{name}: argument 'rules' must be True, False or a list of rules such as Ordered(a, b).")
        if isinstance(self.model, ModelSpec):
            self.model.check_params()
            return self.model
        check(name, "model", self.model, OneOf("auto", *MODELS))
        return None if self.model == "auto" else MODELS[self.model]()

    # ---------------------------------------------------------------- draw
    def sample(
        self,
        n: int | None = None,
        *,
        where: Mapping[Hashable, Any] | pd.DataFrame | None = None,
        accept: Callable[[pd.DataFrame], Any] | None = None,
        rebalance: Mapping[Hashable, Mapping[Any, float]] | None = None,
        seed: int | None = None,
    ) -> pd.DataFrame:
        """Draw ``n`` synthetic rows.

        Args:
            n: rows; may be left out where ``where`` is a DataFrame.
            where: a dict of column -> value, list of allowed values, ``between(low, high)``, ``isnull()`` or
                ``notnull()``; or a DataFrame with one row per wanted row, whose empty cells are drawn.
            accept: a predicate over a table, True for the rows to keep; rejection in bounded rounds.
            rebalance: column -> value (or ``between``, ``isnull()``) -> share, as in ``{"sex": {"F": .5, "M": .5}}``:
                the rows have these shares to a row; of several columns to some rows, in the combinations nearest to the
                model's own.
            seed: an integer for a repeatable table; None: a fresh one.

        Returns:
            ``n`` rows with the columns and dtypes of the training table, and a fresh RangeIndex.

        Raises:
            ConditionError: the condition is not understood, cannot be met, or ``accept`` keeps too few rows.
        """
        self._fitted("sample")
        rows = self._rows(n, where)
        check("TabularSynthesizer.sample", "seed", seed, Optional(Interval(int, 0)))
        seed = entropy(None) if seed is None else seed
        if rebalance is not None:
            if accept is not None:
                raise ParamError("TabularSynthesizer.sample: arguments 'accept' and 'rebalance' do not go together.")
            return self._rebalanced(rows, rebalance, where, seed)
        compiled = compile_where(self.encoder_, where, rows)
        if accept is None:
            return self._draw(compiled, rows, seed)
        if isinstance(where, pd.DataFrame):
            raise ConditionError(
                "TabularSynthesizer.sample: argument 'accept' goes with a dict 'where', not with a DataFrame."
            )
        return self._accepted(rows, seed, accept, where)

    def _rows(self, n: int | None, where: Any) -> int:
        if n is None and isinstance(where, pd.DataFrame):
            return len(where)
        check("TabularSynthesizer.sample", "n", n, Interval(int, 0))
        assert n is not None
        if isinstance(where, pd.DataFrame) and n != len(where):
            raise ParamError(
                f"TabularSynthesizer.sample: argument 'n' is {n}, but 'where' has {len(where)} rows; leave 'n' out."
            )
        return int(n)

    def _draw(self, compiled: Compiled, rows: int, seed: int, strict: bool = True) -> pd.DataFrame:
        rules, rare = self.schema_.rules, self.combinations_
        enforcer = Enforcer(rules, self.encoder_, self._complete) if rules else None
        if enforcer is not None:
            enforcer.check_given(compiled.given)
            compiled = enforcer.narrow(compiled)
        joint: list[Joint] = []
        done = self._complete(compiled.partial, compiled.allowed, seed, joint)
        self.joint_ = Joint.sum(joint)
        if strict and self.combinations_ is not None and not self.combinations_.ok(done).all():
            raise ConditionError(
                "TabularSynthesizer.sample: argument 'where' asks for a combination of quasi-identifiers that too few "
                "rows of the training table have; leave one of these columns out, or ask for more values of it."
            )
        table = compiled.touch(self.encoder_.decode(done, seed=seed), slice(0, rows))
        if enforcer is not None:
            enforcer.also = None if rare is None else rare.after(rules, self.encoder_, done)
            table = enforcer.settle(table, done, compiled, entropy(seed, 6), strict)
        return table

    def _complete(
        self, partial: Encoded, allowed: Mapping[int, Allowed], seed: int, joint: list[Joint] | None = None
    ) -> Encoded:
        """The rows drawn; ``joint`` is told how several conditions were met, block by block."""
        # Blocks are drawn apart, but decoded together: keys must be unique over the whole table.
        parts = []
        for k, start in enumerate(range(0, max(len(partial), 1), _BLOCK)):
            block = partial.take(slice(start, start + _BLOCK)).to(self._device())
            with seeded(entropy(seed, k), self._device()):
                parts.append(self._drawn(block, allowed, entropy(seed, k, 1)).to("cpu"))
            if joint is not None:
                joint += self.model_.joint
        return Encoded.concat(parts)

    def _drawn(self, block: Encoded, allowed: Mapping[int, Allowed], seed: int) -> Encoded:
        """A block of completed rows, without rare combinations of quasi-identifiers."""
        done = self.model_.complete(block, allowed or None)
        if self.combinations_ is None or not len(block):
            return done
        joint = self.model_.joint
        done = self.combinations_.settle(
            block, done, allowed, lambda rows: self.model_.complete(rows, allowed or None), seed
        )
        self.model_.joint = joint  # how the first draw went, not the last of some rows
        return done

    def _accepted(self, rows: int, seed: int, accept: Callable[..., Any], where: Any) -> pd.DataFrame:
        kept: list[pd.DataFrame] = []
        have = tried = 0
        for k in range(_ROUNDS):
            rate = have / tried if tried else 1.0
            size = int(min(max((rows - have) / max(rate, 0.01) * 1.1, 64), 4 * _BLOCK))
            drawn = self._draw(compile_where(self.encoder_, where, size), size, entropy(seed, 3, k))
            keep = np.asarray(accept(drawn.copy()), dtype=bool)
            if keep.shape != (size,):
                raise ConditionError("TabularSynthesizer.sample: argument 'accept' must return one boolean per row.")
            kept.append(drawn[keep])
            have, tried = have + int(keep.sum()), tried + size
            if have >= rows:
                table = pd.concat(kept, ignore_index=True).iloc[:rows]
                return self._fresh_keys(table, seed)
        raise ConditionError(
            f"TabularSynthesizer.sample: argument 'accept' kept {have} of {tried} rows, and {rows} are wanted; "
            "use 'where' for what it can express, or a wider predicate."
        )

    def _fresh_keys(self, table: pd.DataFrame, seed: int) -> pd.DataFrame:
        """Keys of rows from several rounds, made unique again."""
        made = ("Identifier", "Personal")
        keys = [n for n, t in self.encoder_.transformers_.items() if t.type.__name__ in made]
        if keys:
            fresh = self.encoder_.decode(self.encoder_.layout_.empty(len(table)), seed=entropy(seed, 4))
            table = table.copy()
            for name in keys:
                table[name] = fresh[name].where(table[name].notna(), table[name])
        return table

    # ---------------------------------------------------------------- judge
    def log_prob(self, table: pd.DataFrame) -> pd.Series:
        """Log-probability of each row, in nats, columns taken in the table's order.

        A number counts by its cell and by its offset's density inside the cell (relative to the cell's uniform law).

        Raises:
            SchemaError: the table does not fit. ParamError: this model has no likelihood.
        """
        self._fitted("log_prob")
        if not self.model_.tags.has_log_prob:
            raise ParamError(
                f"TabularSynthesizer.log_prob: model {self.spec_.name!r} has no likelihood; use 'autoregressive'."
            )
        data = self.encoder_.encode(table)
        device, out = self._device(), []
        with single_precision(), torch.no_grad():
            for start in range(0, len(table), _BLOCK):
                block = data.take(slice(start, start + _BLOCK)).to(device)
                out.append(-self.model_(self.encoder_.layout_.empty(len(block), device), block).cpu().numpy())
        return pd.Series(np.concatenate(out) if out else np.empty(0), index=table.index, name="log_prob")

    def encode(self, table: pd.DataFrame) -> NDArray[np.float32]:
        """Where rows lie in the latent space, ``(rows, latents)``: posterior means. An empty cell is null.

        Raises:
            ParamError: the model has no latent space. SchemaError: the table does not fit.
        """
        self._fitted("encode")
        return latent.points(self.model_, self.encoder_, table, self._device())

    def decode(self, z: Any, *, seed: int | None = None) -> pd.DataFrame:
        """One row drawn at each point ``z``, ``(rows, latents)``, of the latent space. Rules are not enforced.

        Raises:
            ParamError: the model has no latent space, or ``z`` has another shape.
        """
        self._fitted("decode")
        if self.combinations_ is not None:
            raise ParamError(
                "TabularSynthesizer.decode: points of the latent space know nothing of quasi-identifiers; use sample."
            )
        check("TabularSynthesizer.decode", "seed", seed, Optional(Interval(int, 0)))
        seed = entropy(None) if seed is None else seed
        return latent.rows_at(self.model_, self.encoder_, z, seed, self._device())

    # ---------------------------------------------------------------- helpers
    @property
    def protection_(self) -> ProtectionReport:
        """What protection changed in the fit, per column: counts, and never a value (see ``Protection``)."""
        self._fitted("protection_")
        return self.encoder_.protection_

    def _device(self) -> torch.device:
        return next((t.device for t in [*self.model_.parameters(), *self.model_.buffers()]), torch.device("cpu"))

    def _fitted(self, where: str) -> None:
        if "model_" not in self.__dict__:
            raise NotFittedError(
                f"TabularSynthesizer.{where}: this synthesizer is not fitted; call fit first, or load one."
            )
