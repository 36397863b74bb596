"""Heads: from outputs of the networks to losses."""

from .cmae_head import CMAEPretrainHead

__all__ = ['CMAEPretrainHead']
