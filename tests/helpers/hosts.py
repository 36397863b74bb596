"""The programs that a checkpoint is taken to."""

import importlib

import pytest


def require_models(host):
    """The registry of the host's models; skips where operators that they need are missing."""
    pytest.importorskip(f'{host}.models', exc_type=ImportError)
    return importlib.import_module(f'{host}.registry').MODELS
