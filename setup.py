"""Installs the package alone; requirements/ and the Makefile set up a whole environment."""

import runpy
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent


def requirements(name):
    """Return what a requirement file asks for, without the comments."""
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text().splitlines()
    return [line.split('#')[0].strip() for line in lines if line.split('#')[0].strip()]


setup(
    name='cmae_mm',
    version=runpy.run_path(str(ROOT / 'cmae_mm' / 'version.py'))['__version__'],
    description='Contrastive Masked Autoencoders (CMAE) for OpenMMLab',
    license='Apache-2.0',
    python_requires='>=3.10,<3.13',
    packages=find_packages(include=['cmae_mm*']),
    # The hosts are left out on purpose. The OpenMMLab packages exist under two sets of distribution
    # names: whichever were named here, pip would install it over the other one of a user who
    # already has a stack. cmae_mm.compat says on import what is missing.
    install_requires=requirements('package'),
    extras_require={
        'evaluation': requirements('runtime'),  # tools/evaluate_features.py and more
        'shards': requirements('shards'),  # from a server
    },
)
