"""Tables of more columns than a net reads: the law of blocks, conditions, files, and the size of the weights."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks import wide
from synthkit import TabularSynthesizer, between
from synthkit.encoder import TableEncoder
from synthkit.errors import ParamError
from synthkit.models import Autoregressive
from synthkit.models.nets import Node
from synthkit.models.reads import choose
from synthkit.runtime import seeded
from synthkit.testing import MODEL_CHECKS, ModelCase

BLOCK = 5
CASE = ModelCase(Autoregressive(reads=2))
FEW = Autoregressive(reads=4)


def blocks(rows: int, columns: int, seed: int = 0) -> pd.DataFrame:
    """Blocks of five columns that share one factor, all correlations 0.64; every fifth is a flag, some cells empty."""
    rng = np.random.default_rng(seed)
    factor = np.repeat(rng.normal(size=(rows, -(-columns // BLOCK))), BLOCK, axis=1)[:, :columns]
    table = pd.DataFrame(0.8 * factor + 0.6 * rng.normal(size=(rows, columns))).add_prefix("c")
    for k in range(4, columns, BLOCK):
        table[f"c{k}"] = table[f"c{k}"] > 0
    table.loc[rng.random(rows) < 0.1, "c1"] = np.nan
    return table


def inside(columns: int) -> np.ndarray:
    """Pairs of one block, above the diagonal."""
    block = np.arange(columns) // BLOCK
    return np.triu(block[:, None] == block, 1)


@pytest.fixture(scope="module")
def fitted() -> TabularSynthesizer:
    return TabularSynthesizer(FEW, random_state=0).fit(blocks(3000, 30))


@pytest.mark.parametrize("check", MODEL_CHECKS, ids=lambda c: c.__name__)
def test_contract_of_nets_that_read_two(check):
    check(CASE)


def test_block_law_is_kept(fitted):
    assert fitted.model_.wide and fitted.model_.sources.shape == (30, 4)
    real, ours = (t.astype(float).corr().to_numpy() for t in (blocks(20_000, 30, 1), fitted.sample(6000, seed=1)))
    pairs = inside(30)
    assert np.abs(ours - real)[pairs].mean() < 0.04
    assert np.abs(ours)[np.triu(~(pairs | pairs.T), 1)].mean() < 0.02
    assert abs(fitted.sample(6000, seed=2)["c1"].isna().mean() - 0.1) < 0.02


@pytest.mark.parametrize(("name", "share"), [("c0", 0.8), ("c12", 0.4)])  # first of its block; others precede it
def test_a_condition_moves_its_block_only(fitted, name, share):
    drawn = fitted.sample(4000, where={name: between(1.0, 1.5)}, seed=3)
    assert drawn[name].between(1.0, 1.5).all()
    law = blocks(40_000, 30, 4)
    expected = law[law[name].between(1.0, 1.5)].astype(float).mean()
    moved = drawn.astype(float).mean()
    mine = inside(30)[int(name[1:]) // BLOCK * BLOCK] | (expected.index == f"c{int(name[1:]) // BLOCK * BLOCK}")
    assert (moved[~mine] - expected[~mine]).abs().max() < 0.1
    numbers = [n for n in expected.index[mine] if n != name and int(n[1:]) % BLOCK != 4]
    # Few steps know a late column and not those before it: their answer is drawn towards the mean.
    assert (moved[numbers] > share * expected[numbers]).all()


def test_gaps_are_filled_from_their_block(fitted):
    truth = blocks(1500, 30, 5)
    table = truth.copy()
    table["c7"] = np.nan
    filled = fitted.impute(table, seed=0)
    assert filled.notna().all().all()
    assert np.corrcoef(filled["c7"], truth["c7"])[0, 1] > 0.45  # of two draws given the other four: 0.55
    pd.testing.assert_frame_equal(filled.drop(columns=["c1", "c7"]), truth.drop(columns=["c1", "c7"]))


def test_a_file_holds_the_sources(fitted, tmp_path):
    fitted.save(tmp_path / "m.synthkit")
    again = TabularSynthesizer.load(tmp_path / "m.synthkit")
    assert torch.equal(again.model_.sources, fitted.model_.sources)
    pd.testing.assert_frame_equal(again.sample(50, seed=1), fitted.sample(50, seed=1))
    rows = blocks(40, 30, 6)
    np.testing.assert_array_equal(again.log_prob(rows), fitted.log_prob(rows))


def test_altered_sources_are_refused(fitted):
    state = dict(fitted.model_.state_dict())
    for wrong in (state["sources"] + 30, state["sources"][:-1], state["sources"].repeat(1, 2)):
        model = fitted.spec_.restore(fitted.encoder_.layout_)
        with pytest.raises(ValueError, match="sources"):
            model.load_state_dict({**state, "sources": wrong})


def test_weights_grow_in_proportion_to_the_columns():
    sizes = []
    for columns in (60, 120):
        table = blocks(600, columns)
        encoder = TableEncoder().fit(table)
        with seeded(0):
            model = FEW.build(encoder.layout_, encoder.encode(table))
        sizes.append(sum(p.numel() for p in model.parameters()))
    assert 1.8 < sizes[1] / sizes[0] < 2.1


def test_few_columns_are_read_in_full():
    table = blocks(200, 10)
    encoder = TableEncoder().fit(table)
    model = Autoregressive().build(encoder.layout_, encoder.encode(table))
    assert not model.wide and not hasattr(model, "sources") and model.spec.width == Autoregressive().width


def test_losses_do_not_depend_on_the_blocks_of_rows(fitted):
    data = fitted.encoder_.encode(blocks(300, 30, 8))
    nothing = fitted.encoder_.layout_.empty(300)
    with torch.no_grad():
        whole = fitted.model_(nothing, data)
        halves = [fitted.model_(nothing.take(at), data.take(at)) for at in (slice(0, 130), slice(130, 300))]
    torch.testing.assert_close(whole, torch.cat(halves), rtol=1e-4, atol=1e-3)


def test_sources_are_what_is_associated_and_none_by_chance():
    generator = torch.Generator().manual_seed(0)
    rows, n = 400, 40
    at = torch.rand(rows, n, generator=generator)
    at[:, 7] = at[:, 3]  # equal
    at[:, 9] = (at[:, 5] - 0.5).abs() * 2  # no correlation, but the square has one
    nodes = [Node(i, 8, None, None, True) for i in range(n)]
    tokens = (at * 8).long().clamp(max=7)
    found = choose(nodes, tokens, torch.ones(rows, n, dtype=torch.bool), at, 6)
    pairs = {(i, int(s)) for i, row in enumerate(found) for s in row if s != i}
    assert {(3, 7), (7, 3), (5, 9), (9, 5)} <= pairs and len(pairs) < 4 + n / 2


@pytest.mark.parametrize("reads", [0, -1, 2.5, None, True])
def test_bad_reads(reads):
    with pytest.raises(ParamError, match="'reads' must be an integer"):
        Autoregressive(reads=reads).check_params()


def test_the_benchmark_prints_its_figures(capsys):
    assert wide.main(["--rows", "120", "--columns", "60", "--sample", "50", "--max-steps", "2"]) == 0
    out = capsys.readouterr().out
    assert all(word in out for word in ("fit_s", "sample_s", "peak_GiB", "inside_vs_law", "across_mean"))
