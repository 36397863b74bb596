"""Self-supervised algorithms."""

from .cmae import CMAE

__all__ = ['CMAE']
