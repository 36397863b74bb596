"""Heads: from outputs of the networks to losses."""

from .cmae_head import CMAEPretrainHead
from .mimco_head import MimCoHead
from .reconstruction_head import ReconstructionHead
from .token_head import TokenHead

__all__ = ['CMAEPretrainHead', 'MimCoHead', 'ReconstructionHead', 'TokenHead']
