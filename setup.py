"""Builds the package alone; requirements/ and the Makefile set up a whole environment."""

import runpy
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent


class BuildWithConfigsAndTools(build_py):
    """Adds configs, tools and the model index as ``.mim/``, where OpenMMLab's packages have them.

    An editable installation needs no such folder: cmae_mm.collection finds the checkout's own.
    """

    def run(self):
        """Build the package into ``build_lib``."""
        super().run()
        if self.editable_mode:
            return
        mim = Path(self.build_lib) / 'cmae_mm' / '.mim'
        shutil.rmtree(mim, ignore_errors=True)  # of an earlier build
        caches = '__pycache__'
        shutil.copytree(ROOT / 'configs', mim / 'configs', ignore=shutil.ignore_patterns(caches))
        in_checkouts_alone = shutil.ignore_patterns(caches, 'benchmarks')
        shutil.copytree(ROOT / 'tools', mim / 'tools', ignore=in_checkouts_alone)
        for index in ROOT.glob('model-index.yml'):
            shutil.copy(index, mim)


def requirements(*names):
    """Return what requirement files ask for, without the comments."""
    files = (ROOT / 'requirements' / f'{name}.txt' for name in names)
    lines = (line.split('#')[0].strip() for file in files for line in file.read_text().splitlines())
    return [line for line in lines if line]


setup(
    name='cmae_mm',
    version=runpy.run_path(str(ROOT / 'cmae_mm' / 'version.py'))['__version__'],
    description='Contrastive Masked Autoencoders (CMAE) for OpenMMLab',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    python_requires='>=3.10,<3.13',
    packages=find_packages(include=['cmae_mm*']),
    cmdclass={'build_py': BuildWithConfigsAndTools},
    # The hosts are left out on purpose. The OpenMMLab packages exist under two sets of distribution
    # names: whichever were named here, pip would install it over the other one of a user who
    # already has a stack. cmae_mm.compat says on import what is missing.
    install_requires=requirements('package'),
    extras_require={
        # The hosts as they were tested, for environments without them: pinned, since a stack of
        # other versions may install and fail later.
        'onedl': requirements('default', 'mmcv'),
        'openmmlab': requirements('openmmlab'),
        'evaluation': requirements('runtime'),  # evaluation and demonstrations
        'shards': requirements('shards'),  # from a server
        'trackers': requirements('trackers'),  # TensorBoard, Weights & Biases, MLflow, ClearML
        'tiff': requirements('tiff'),  # of more channels than four
    },
)
