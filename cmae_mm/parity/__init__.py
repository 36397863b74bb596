"""Numbers of released code, repeated with this package.

A fixture holds what released code computed from given weights and images. Each method has a module
here whose ``check`` computes the same and compares.
"""

from . import cae, convmae, step
from .config import model_config
from .rows import Row

# by a key that only the fixtures of the method have
_METHODS = {'per_rank': step.check, 'stage3': convmae.check, 'latent_pred': cae.check}

__all__ = ['Row', 'check_parity', 'model_config']


def check_parity(fixture: dict) -> list[Row]:
    """Repeat the numbers of a fixture, whose keys tell its method, and compare.

    Args:
        fixture: content of a fixture's file; see the module of its method.

    Returns:
        the differences.

    Raises:
        ValueError: a fixture of no known method.
    """
    for key, check in _METHODS.items():
        if key in fixture:
            return check(fixture)
    raise ValueError(
        f'a fixture of an unknown method: found the keys {sorted(fixture)}, expected one of '
        f'{sorted(_METHODS)}'
    )
