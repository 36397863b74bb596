"""Heads: from outputs of the networks to losses."""

from .cmae_head import CMAEPretrainHead
from .reconstruction_head import ReconstructionHead

__all__ = ['CMAEPretrainHead', 'ReconstructionHead']
