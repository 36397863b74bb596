"""Contrastive Masked Autoencoders for OpenMMLab.

Importing the package registers its parts in mmpretrain's registries.
"""

import sys

from .collection import find_packaged_configs
from .compat import (
    check_versions,
    find_configs_by_module,
    leave_out_multimodal_models,
    quiet_imports,
)
from .version import __version__

# `python -m cmae_mm` starts a tool, which imports the package itself: seconds, and once is enough.
if sys.orig_argv[1:3] != ['-m', 'cmae_mm']:
    check_versions()
    find_configs_by_module()
    find_packaged_configs()

    with quiet_imports():
        leave_out_multimodal_models()
        from . import checkpoints, datasets, demo, downstream, engine, evaluation, models, pictures

__all__ = [
    '__version__',
    'checkpoints',
    'datasets',
    'demo',
    'downstream',
    'engine',
    'evaluation',
    'models',
    'pictures',
]
