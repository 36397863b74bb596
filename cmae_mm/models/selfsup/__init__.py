"""Self-supervised algorithms."""

from .cae import ContextAutoencoder
from .cmae import CMAE
from .masked_reconstruction import MaskedReconstruction
from .mimco import MimCo

__all__ = ['CMAE', 'ContextAutoencoder', 'MaskedReconstruction', 'MimCo']
