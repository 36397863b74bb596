"""Pictures of a real run, which must not notice them."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import RUNNERS
from mmpretrain.registry import MODELS

from cmae_mm.evaluation import draw_reconstructions, load_image
from cmae_mm.pictures import PictureHook
from cmae_mm.pictures.hook import looking_at
from tests.helpers.files import write_images
from tests.helpers.runs import EPOCHS, ITERATIONS, config, differences, state, train
from tests.helpers.tiny import tiny_cae, tiny_mimco_config, tiny_model


@pytest.fixture
def folder(tmp_path):
    """Six images to train on and four to draw."""
    write_images(tmp_path / 'images', num=6)
    write_images(tmp_path / 'shown', num=4)
    return tmp_path


def with_pictures(cfg, folder, **fields):
    hook = dict(type='PictureHook', images=str(folder / 'shown'), count=2, **fields)
    cfg.default_hooks.pictures = hook
    return cfg


def pictures(work_dir):
    return {path.name: path for path in work_dir.glob('*/vis_data/vis_image/*.png')}


def test_training_is_the_same_bit_for_bit_and_the_pictures_are_of_the_model(folder):
    train(config(folder, 'without', dict(EPOCHS)))
    cfg = with_pictures(config(folder, 'with', dict(EPOCHS)), folder, interval=3)
    model = train(cfg).model
    states = [state(folder / name / 'iter_9.pth') for name in ('without', 'with')]
    assert differences(*states) == []  # weights, optimiser, logs: what random numbers reach
    assert model.training
    drawn = pictures(folder / 'with')
    assert drawn.keys() == {'reconstruction_9.png', 'attention_9.png'}
    shown = [load_image(folder / 'shown' / f'{index}.jpg', (16, 16), 3) for index in (0, 2)]
    with looking_at(model, seed=0):
        expected = draw_reconstructions(model, torch.stack(shown))
    found = cv2.imread(str(drawn['reconstruction_9.png']))[..., ::-1]
    assert np.array_equal(found, expected)


def test_runs_that_count_iterations(folder):
    cfg = config(folder, 'run', dict(ITERATIONS))
    train(with_pictures(cfg, folder, interval=4, by_epoch=False))
    steps = {name.split('_')[1] for name in pictures(folder / 'run')}
    assert steps == {'4.png', '8.png'}


def test_a_look_changes_neither_modes_nor_random_numbers():
    model = tiny_model()
    model.target_backbone.eval()  # a part that is in evaluation mode on purpose
    modes = [module.training for module in model.modules()]
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with pytest.raises(RuntimeError), looking_at(model, seed=0):
        assert not any(module.training for module in model.modules())
        assert not torch.equal(torch.rand(3), expected)
        raise RuntimeError
    assert [module.training for module in model.modules()] == modes
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize('build', [tiny_cae, lambda: MODELS.build(tiny_mimco_config())])
def test_other_methods_are_drawn_as_far_as_they_can_be(build, folder):
    model = build()
    hook = PictureHook(images=str(folder / 'shown'))
    names = {draw.__name__ for draw in hook.possible_draws(model)}
    assert names == {'_attention', *(['_reconstruction'] if hasattr(model, 'reconstruct') else [])}


def test_what_can_not_be_drawn_is_said(folder):
    cfg = with_pictures(config(folder, 'run', dict(EPOCHS)), folder)
    cfg.default_hooks.pictures.images = str(folder / 'nothing')
    with pytest.raises(FileNotFoundError, match=r"no folder '.*nothing'; set its field images"):
        RUNNERS.build(cfg).train()
    with pytest.raises(ValueError, match='PictureHook can draw nothing of Linear'):
        PictureHook().possible_draws(torch.nn.Linear(2, 2))
    with pytest.raises(ValueError, match='10 epochs, but this run counts iterations'):
        PictureHook().before_train(SimpleNamespace(train_loop=object()))
    with pytest.raises(ValueError, match='interval=0'):
        PictureHook(interval=0)


@pytest.mark.parametrize('test', ['nowhere', dict(type='CustomDataset')], ids=str)
def test_without_a_folder_of_test_images_those_of_training_are_drawn(folder, test):
    cfg = with_pictures(config(folder, 'run', dict(EPOCHS)), folder)
    cfg.default_hooks.pictures.images = None
    cfg.feature_eval = dict(test=test)
    runner = RUNNERS.build(cfg)
    (hook,) = (hook for hook in runner.hooks if isinstance(hook, PictureHook))
    assert hook._source(runner) == folder / 'images'
