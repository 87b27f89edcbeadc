"""The literature's scores of windows: known laws, planted defects, the command line."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks.series_scores import Readers, correlational, discriminative, main, predictive, windows_of


def windows(count: int, seed: int, phi: float = 0.8) -> np.ndarray:
    """Windows of 8 steps of three features in (0, 1); the last is, but for noise, the first of the step before."""
    rng = np.random.default_rng(seed)
    x = np.zeros((count, 9))
    for t in range(1, 9):
        x[:, t] = phi * x[:, t - 1] + np.sqrt(1 - phi**2) * rng.normal(size=count)
    noise = rng.normal(size=(2, count, 8))
    out = np.stack([x[:, 1:], noise[0], x[:, :-1] + 0.1 * noise[1]], 2)
    return (1 / (1 + np.exp(-out))).astype(np.float32)


def test_windows_of_one_law_are_not_told_and_shifted_ones_are():
    real, same = windows(1500, 0), windows(1500, 1)
    (score, *_), (shifted, real_acc, fake_acc) = discriminative([real, real], [same, same * 0.6], 0, steps=400)
    assert score < 0.06 and shifted > 0.25
    assert shifted == pytest.approx((real_acc + fake_acc) / 2 - 0.5, abs=1e-6)


def test_the_prediction_is_learnt_from_synthetic_windows():
    real, same = windows(800, 0), windows(800, 1)
    order = np.random.default_rng(2).permutation(800 * 8)
    apart = same.copy()
    apart[..., 2] = same[..., 2].ravel()[order].reshape(800, 8)
    learnt, not_learnt = predictive([real, real], [same, apart], 0, steps=900)
    mean = np.abs(real[..., 2] - np.median(real[..., 2])).mean()
    assert learnt < 0.75 * mean and not_learnt > 0.95 * mean


def test_the_correlational_score_counts_pairs():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(4000, 5, 1))
    tied = np.concatenate([z, z, z], 2) + 1e-3 * rng.normal(size=(4000, 5, 3))
    free = rng.normal(size=(4000, 5, 3))
    assert correlational(tied, tied) == 0 and correlational(tied, free) == pytest.approx(0.3, abs=0.01)
    assert correlational(tied, 5 + 2 * tied) == pytest.approx(0, abs=1e-9)  # each side is standardised by itself


def test_nets_side_by_side_do_not_touch_each_other():
    x = torch.rand(2, 6, 8, 3, generator=torch.Generator().manual_seed(0))
    nets = Readers(2, 3, 2, 1)
    before = nets.last(x).detach().clone()
    with torch.no_grad():
        for part in nets.parameters():
            part[1] += 1.0
    after = nets.last(x).detach()
    assert torch.equal(before[0], after[0]) and not torch.equal(before[1], after[1])
    first = nets.every(x[:, :, :4]).detach()
    assert torch.allclose(first, nets.every(x)[:, :, :4], atol=1e-6)  # nothing of later steps is seen


def test_windows_are_at_stride_one():
    got = windows_of(np.arange(20.0).reshape(10, 2), 4)
    assert got.shape == (7, 4, 2) and got[3, :, 1].tolist() == [7, 9, 11, 13]


def test_the_command_line_writes_a_line_per_model(tmp_path, capsys):
    rng = np.random.default_rng(0)
    close = 50 * np.exp(np.cumsum(0.02 * rng.normal(size=(400, 2)), axis=0))
    table = pd.DataFrame({"a": close[:, 0], "b": close[:, 1]})
    table.to_csv(tmp_path / "google_stock.csv.gz", index=False)
    out = tmp_path / "lines.jsonl"
    told = ["--data", str(tmp_path), "--datasets", "google_stock", "--models", "stationary", "copula24"]
    main([*told, "--steps", "5", "5", "--repeats", "1", "--out", str(out)])
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(line["model"], line["windows"]) for line in lines] == [
        ("real", ""), ("stationary", "drawn"), ("stationary", "cut"), ("copula24", ""),
    ]  # fmt: skip
    assert lines[0]["correlational"] < 0.05 and not lines[0]["final"]
    assert "discriminative" in capsys.readouterr().out
