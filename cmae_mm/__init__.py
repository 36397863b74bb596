"""Contrastive Masked Autoencoders for OpenMMLab.

Importing the package registers its parts in mmpretrain's registries.
"""

from .compat import check_versions, quiet_imports

check_versions()

with quiet_imports():
    from . import datasets, engine, models

from .version import __version__  # noqa: E402

__all__ = ['__version__', 'datasets', 'engine', 'models']
