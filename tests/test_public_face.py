"""What a user can import, and what an import costs."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys

import pytest

import synthkit

MODULES = sorted(m.name for m in pkgutil.walk_packages(synthkit.__path__, "synthkit.") if "__main__" not in m.name)


@pytest.mark.parametrize("name", ["synthkit", *MODULES])
def test_all_is_sorted_and_true(name):
    module = importlib.import_module(name)
    names = list(module.__all__)
    # Constants, then classes, then functions, as ruff sorts them.
    assert names == sorted(set(names), key=lambda n: (not n.isupper(), not n[0].isupper(), n))
    for public in names:
        assert hasattr(module, public), f"{name}.{public} is announced and missing"
    assert inspect.getdoc(module), f"{name} says nothing of itself"


@pytest.mark.parametrize("name", ["synthkit", *MODULES])
def test_public_things_are_documented(name):
    module = importlib.import_module(name)
    for public in module.__all__:
        thing = getattr(module, public)
        if not (inspect.isclass(thing) or inspect.isfunction(thing)):
            continue
        assert (inspect.getdoc(thing) or "").strip(), f"{name}.{public} has no docstring"
        if inspect.isclass(thing) and thing.__module__.startswith("synthkit"):
            for method, f in vars(thing).items():
                if inspect.isfunction(f) and not method.startswith("_"):
                    assert inspect.getdoc(getattr(thing, method)), f"{name}.{public}.{method} has no docstring"


def test_import_is_light_and_silent():
    code = (
        "import sys, synthkit; print([m for m in ('sdmetrics', 'copulas', 'plotly', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-W", "error::UserWarning", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]" and not done.stderr


def test_version_is_one():
    assert synthkit.__version__.count(".") == 2
