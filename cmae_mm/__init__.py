"""Contrastive Masked Autoencoders for OpenMMLab.

Importing the package registers its parts in mmpretrain's registries.
"""

from . import datasets, engine, models
from .version import __version__

__all__ = ['__version__', 'datasets', 'engine', 'models']
