"""Self-supervised algorithms."""

from .cmae import CMAE
from .masked_reconstruction import MaskedReconstruction

__all__ = ['CMAE', 'MaskedReconstruction']
