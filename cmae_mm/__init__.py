"""Contrastive Masked Autoencoders for OpenMMLab.

Importing the package registers its parts in mmpretrain's registries.
"""

from .compat import check_versions

check_versions()

from . import datasets, engine, models  # noqa: E402
from .version import __version__  # noqa: E402

__all__ = ['__version__', 'datasets', 'engine', 'models']
