"""Configs of the package, inherited by name from anywhere."""

from pathlib import Path

import pytest
from mmengine.config import Config

from cmae_mm.collection import CONFIGS, config_path

ROOT = Path(__file__).parents[1]
NAME = 'cmae_mm::benchmarks/segmentation/quickstart.py'


def inherit(folder, base):
    path = folder / 'mine.py'
    path.write_text(f'_base_ = {base!r}\nwork_dir = "elsewhere"\n')
    return Config.fromfile(path)


def test_in_a_checkout_configs_are_its_own():
    assert ROOT / 'configs' == CONFIGS
    assert config_path(NAME) == ROOT / 'configs/benchmarks/segmentation/quickstart.py'


@pytest.mark.parametrize(
    'name',
    [
        'cmae/cmae_vit-tiny-p4_cifar10.py',  # with parts of this package and of mmpretrain
        'benchmarks/segmentation/quickstart.py',  # of mmsegmentation
        'benchmarks/classification/vit-base-p16_8xb128-amp-coslr-100e_in1k.py',  # inherits others'
    ],
)
def test_an_inherited_config_is_what_it_is_at_home(tmp_path, name):
    """No scope is added, in which the hosts' parts would not be found."""
    inherited = inherit(tmp_path, f'cmae_mm::{name}').to_dict()
    assert inherited.pop('work_dir') == 'elsewhere'
    at_home = Config.fromfile(ROOT / 'configs' / name).to_dict()
    at_home.pop('work_dir', None)
    assert inherited == at_home


def test_a_wrong_name_is_told_with_one_like_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=f'no config .*: did you mean {NAME}') as error:
        inherit(tmp_path, NAME.replace('quickstart', 'quikstart'))
    assert '\n' not in str(error.value)


def test_other_packages_are_found_as_before(tmp_path):
    config = inherit(tmp_path, 'mmpretrain::_base_/models/mae_vit-base-p16.py')
    assert config.model.type == 'MAE' and config.model._scope_ == 'mmpretrain'
