"""What the latents of the variational auto-encoder tell: nats, active units, and what a row is worth without them.

    python -m benchmarks.latent --data DATA --datasets adult credit_default online_shoppers

A decoder that is strong enough may ignore z (posterior collapse); then the divergence of the posteriors to the prior is
near 0, and rows that are decoded from one constant z are as good as others. Here they must be recognised at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.datasets import NAMES, load
from synthkit import TabularSynthesizer
from synthkit.metrics import detection_auc
from synthkit.models import VAE
from synthkit.models.vae import VAEModel
from synthkit.runtime import seeded

__all__ = ["main"]

_ACTIVE = 0.05  # nats that an active unit tells on average (Burda et al., 2016, ask for a variance of .01 of its mean)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a Markdown table, one line per data set and prior."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latent", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("."))
    parser.add_argument("--datasets", nargs="+", default=["breast_cancer"], choices=NAMES, metavar="NAME")
    parser.add_argument("--priors", nargs="+", default=["autoregressive"], metavar="PRIOR")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--final", action="store_true")
    parser.add_argument("--max-steps", type=int)
    args = parser.parse_args(arguments)
    print("| data | prior | KL to N(0, I) | KL to prior | -log p(row \\| z) | active | AUC | AUC, z constant |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in args.datasets:
        for prior in args.priors:
            print(_line(name, prior, args), flush=True)
    return 0


def _line(name: str, prior: str, args: argparse.Namespace) -> str:
    split = load(name, args.data, args.seed, dev=not args.final)
    spec = VAE(prior=prior)
    fitted = TabularSynthesizer(spec, random_state=args.seed, max_steps=args.max_steps).fit(split.train)
    model = fitted.model_
    assert isinstance(model, VAEModel)
    with seeded(args.seed, model.probes.device):
        standard, to_prior, missed = model.information(fitted.encoder_.encode(split.train))
    rows = len(split.train)
    drawn = fitted.sample(rows, seed=args.seed)
    constant = fitted.decode(np.zeros((rows, model.spec.latents)), seed=args.seed)
    aucs = [detection_auc(split.holdout, table, kinds=split.kinds, seed=args.seed) for table in (drawn, constant)]
    active = f"{int((standard > _ACTIVE).sum())} of {len(standard)}"
    figures = [f"{float(standard.sum()):.2f}", f"{to_prior:.2f}", f"{missed:.2f}", active, *(f"{a:.3f}" for a in aucs)]
    return "| " + " | ".join([name, prior, *figures]) + " |"


if __name__ == "__main__":
    sys.exit(main())
