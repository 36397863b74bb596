"""Training of every task goes on exactly, with the augmentations of its host."""

import copy
import multiprocessing
import os
import signal
import uuid

import pytest
from mmengine.hooks import Hook
from mmengine.registry import RUNNERS

from cmae_mm.checkpoints import load_run
from cmae_mm.demo.scenes import write_builtin_scenes
from cmae_mm.engine.ranks import fit_to_cpu
from tests.downstream import test_detection, test_segmentation
from tests.helpers.classification import FOLDER
from tests.helpers.configs import read_config
from tests.helpers.files import write_images
from tests.helpers.hosts import require_models
from tests.helpers.runs import differences, state, train

NARROW = dict(embed_dims=24, num_layers=2, num_heads=2, feedforward_channels=48)


def classification(folder):
    """With RandAugment, erasing, Mixup, CutMix, drop path and an average of the weights."""
    for name in 'ab':
        write_images(folder / 'images' / name, num=4)
    cfg = read_config(FOLDER / 'vit-base-p16_8xb128-amp-coslr-100e_in1k.py')
    cfg.model.backbone.update(arch=NARROW, img_size=32, drop_path_rate=0.5)
    cfg.model.head.update(in_channels=24, num_classes=2)
    cfg.model.train_cfg.augments = [dict(type='Mixup', alpha=0.8), dict(type='CutMix', alpha=1.0)]
    cfg.model.head.loss.num_classes = cfg.data_preprocessor.num_classes = 2
    pipeline = cfg.train_dataloader.dataset.pipeline
    data_root = str(folder / 'images')
    kind = dict(type='CustomDataset', data_root=data_root, pipeline=pipeline)
    cfg.train_dataloader.dataset = kind
    for step in pipeline:
        if step.type == 'RandomResizedCrop':
            step.scale = 32
    cfg.custom_hooks = [dict(type='EMAHook', momentum=0.1)]
    return cfg


def segmentation(folder):
    """With resizing, crops and photometric distortion."""
    require_models('mmseg')
    test_segmentation.write_plain(folder / 'data')
    cfg = test_segmentation.camvid(folder / 'data', folder)
    cfg.model.backbone.drop_path_rate = 0.5
    return cfg


def detection(folder):
    """With resizing, flips and the sampling of proposals."""
    require_models('mmdet')
    write_builtin_scenes(folder / 'scenes', {'train': 4, 'val': 2})
    cfg = read_config(test_detection.QUICKSTART)
    cfg.merge_from_dict(test_detection.quickstart_on(folder / 'scenes'))
    return cfg


def four_iterations(task, folder):
    """A task's training, validation left out."""
    cfg = task(folder)
    cfg.model.backbone.init_cfg = None
    cfg.train_dataloader.update(num_workers=1, persistent_workers=True, batch_size=2)
    cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=4)
    cfg.param_scheduler = None
    for part in ('val', 'test'):
        for name in ('cfg', 'dataloader', 'evaluator'):
            cfg[f'{part}_{name}'] = None
    cfg.default_hooks.checkpoint = dict(type='CheckpointHook', by_epoch=False, interval=1)
    cfg.default_hooks.logger.interval = 1
    cfg.default_hooks.pop('visualization', None)
    cfg.runner_type = 'SafeRunner'
    cfg.randomness = dict(seed=3)
    cfg.log_level = 'ERROR'
    fit_to_cpu(cfg)
    cfg.optim_wrapper.dtype = 'float32'
    return cfg


@pytest.mark.parametrize('task', [classification, segmentation, detection])
def test_resume_is_exact(tmp_path, task):
    cfg = four_iterations(task, tmp_path)

    def run(work_dir, kill_at=None, resume=False):
        own = copy.deepcopy(cfg)
        own.update(
            work_dir=str(tmp_path / work_dir), experiment_name=uuid.uuid4().hex, resume=resume
        )
        train(own, kill_at)

    run('whole')
    run('parts', kill_at=3)
    run('parts', resume=True)
    whole, parts = (state(tmp_path / name / 'iter_4.pth') for name in ('whole', 'parts'))
    assert len(whole) > 100 and differences(whole, parts) == []


class SignalToAll(Hook):
    """Sends SIGTERM to the run and all of its workers, as schedulers do, during validation."""

    def before_val_iter(self, runner, batch_idx, data_batch=None):
        if batch_idx == 0:
            for process in (*multiprocessing.active_children(), multiprocessing.current_process()):
                os.kill(process.pid, signal.SIGTERM)


def test_a_signal_to_all_processes_during_validation_ends_the_run_in_order(tmp_path):
    cfg = four_iterations(classification, tmp_path)
    cfg.val_dataloader = copy.deepcopy(cfg.train_dataloader)
    cfg.val_dataloader.update(batch_size=1, sampler=dict(type='DefaultSampler', shuffle=False))
    cfg.val_evaluator = dict(type='Accuracy')
    cfg.val_cfg = dict()
    cfg.train_cfg.val_interval = 2
    cfg.work_dir = str(tmp_path / 'run')
    runner = RUNNERS.build(cfg)
    runner.register_hook(SignalToAll())
    with pytest.raises(SystemExit) as ended:
        runner.train()
    assert ended.value.code == 75
    assert load_run(tmp_path / 'run/interrupted.pth')['meta']['iter'] == 3
