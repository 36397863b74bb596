"""Contrastive Masked Autoencoders for OpenMMLab.

Importing the package registers its parts in mmpretrain's registries.
"""

from .compat import check_versions, find_configs_by_module, quiet_imports

check_versions()
find_configs_by_module()

with quiet_imports():
    from . import checkpoints, datasets, demo, downstream, engine, models

from .version import __version__  # noqa: E402

__all__ = [
    '__version__',
    'checkpoints',
    'datasets',
    'demo',
    'downstream',
    'engine',
    'models',
]
