"""The classification benchmarks train as documented, each part that should and no other."""

import math
import re
import subprocess
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import RUNNERS
from mmpretrain.registry import DATASETS

from cmae_mm.demo.pictures import PICTURES_PER_CLASS, SURFACES
from cmae_mm.downstream import DownstreamViT
from tests.helpers.classification import (
    CONFIGS,
    DOCS,
    FOLDER,
    HYBRID,
    QUICKSTART,
    ROOT,
    WIDTHS,
)
from tests.helpers.configs import read_config
from tests.helpers.docs import config_from_text, python_blocks
from tests.helpers.files import remove_logs, write_images
from tests.helpers.process import process_here, run_on_two_ranks
from tests.helpers.training import shallow, train_one_iteration


def tiny(cfg):
    """The config with an encoder of width 24, as deep as before."""
    depth = WIDTHS['large' if cfg.model.backbone.arch == 'l' else 'base'][1]
    arch = dict(embed_dims=24, num_layers=depth, num_heads=3, feedforward_channels=48)
    cfg.model.backbone.update(arch=arch, img_size=32, patch_size=8, init_cfg=None)
    cfg.model.backbone.drop_path_rate = 0.0  # else a block may be left out, and stay as it is
    cfg.model.head.update(in_channels=24, num_classes=3)
    if cfg.model.get('neck'):
        width = 'in_channels' if cfg.model.neck.type == 'AttentivePooling' else 'input_features'
        cfg.model.neck[width] = 24
    cfg.data_preprocessor.num_classes = 3
    return cfg


BLOCK = {
    f'{name}.{part}'
    for name in ('ln1', 'ln2', 'attn.qkv', 'attn.proj', 'ffn.layers.0.0', 'ffn.layers.1')
    for part in ('weight', 'bias')
}
HEAD = {'head.fc.weight', 'head.fc.bias', 'backbone.ln2.weight', 'backbone.ln2.bias'}
EMBEDDING = {
    f'backbone.{name}'
    for name in (
        'cls_token',
        'pos_embed',
        'patch_embed.projection.weight',
        'patch_embed.projection.bias',
    )
}


def trained_by(blocks, embedding):
    inner = {f'backbone.layers.{block}.{name}' for block in blocks for name in BLOCK}
    return HEAD | inner | (EMBEDDING if embedding else set())


PARTS = {
    **{('base', k): trained_by(range(12 - k, 12), k == 12) for k in (0, 1, 2, 4, 6, 8, 12)},
    **{('large', k): trained_by(range(24 - k, 24), k == 24) for k in (0, 12, 24)},
}


@pytest.mark.parametrize('size, k', PARTS)
def test_the_last_k_blocks_are_trained_and_nothing_else_moves(size, k, tmp_path):
    cfg = tiny(read_config(FOLDER / f'vit-{size}-p16_8xb128-amp-partial-coslr-100e_in1k.py'))
    depth = cfg.model.backbone.arch.num_layers
    cfg.merge_from_dict({'model.backbone.frozen_stages': depth - k})  # as --cfg-options
    assert trained_in_one_step(cfg, tmp_path) == PARTS[size, k]


def test_linear_probe_trains_the_linear_layer_alone(tmp_path):
    cfg = tiny(read_config(FOLDER / 'vit-base-p16_8xb2048-amp-linear-coslr-90e_in1k.py'))
    linear = {'head.layers.head.weight', 'head.layers.head.bias'}
    assert trained_in_one_step(cfg, tmp_path) == linear


def test_attentive_probe_trains_the_pooling_and_the_linear_layer_alone(tmp_path):
    cfg = tiny(read_config(FOLDER / 'vit-base-p16_8xb1024-amp-attentive-coslr-90e_in1k.py'))
    attention = {'q.weight', 'k.weight', 'v.weight', 'proj.weight'}
    norms = {'norm_q.weight', 'norm_q.bias', 'norm_k.weight', 'norm_v.weight'}
    pooling = {'query', *norms, *(f'attention.{name}' for name in attention)}
    trained = {f'neck.{name}' for name in pooling} | {
        'head.layers.head.weight',
        'head.layers.head.bias',
    }
    assert trained_in_one_step(cfg, tmp_path) == trained


def trained_in_one_step(cfg, tmp_path):
    """Names of the parameters that a step of a Runner moves, which must be those to be trained."""
    of_imagenet(cfg, tmp_path, side=32)
    cfg.work_dir = str(tmp_path / 'run')
    cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=1)
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.test_cfg = cfg.test_dataloader = cfg.test_evaluator = None
    cfg.param_scheduler = None
    cfg.default_hooks.checkpoint = None
    cfg.train_dataloader.update(num_workers=0, persistent_workers=False)
    runner = RUNNERS.build(cfg)
    start = Start()
    runner.register_hook(start)
    runner.train()
    parameters = dict(runner.model.named_parameters())
    moved = {name for name, p in parameters.items() if not torch.equal(p, start.tensors[name])}
    assert moved == {name for name, p in parameters.items() if p.requires_grad}
    return moved


class Start(Hook):
    """Keeps what the parameters are after initialisation, before training."""

    def before_train(self, runner):
        self.tensors = {n: p.detach().clone() for n, p in runner.model.named_parameters()}


CLASSES = ('n01440764', 'n01443537', 'n01484850')


def of_imagenet(cfg, root, side):
    """Let a config read a few real files in ImageNet's folders, at a reduced size."""
    for name in CLASSES:
        write_images(root / 'imagenet' / 'train' / name, num=2, name=name + '_{}.JPEG')
    lines = [f'{name}/{name}_0.JPEG {label}' for label, name in enumerate(CLASSES)]
    dataset = cfg.train_dataloader.dataset
    dataset.data_root = str(root / 'imagenet')
    listed = root / 'imagenet' / dataset.setdefault('ann_file', 'meta/train.txt')
    listed.parent.mkdir(exist_ok=True)
    listed.write_text('\n'.join(lines) + '\n')
    crop = next(step for step in dataset.pipeline if step.type == 'RandomResizedCrop')
    assert crop.scale == 224
    crop.scale = side
    cfg.train_dataloader.batch_size = 2
    return cfg


@pytest.mark.parametrize('percent', [1, 10])
def test_few_labels_come_from_the_list_that_the_documented_command_makes(percent, tmp_path):
    for name in CLASSES:
        write_images(tmp_path / 'data/imagenet/train' / name, num=3, name=name + '_{}.JPEG')
    (tmp_path / 'data/imagenet/meta').mkdir()
    listed = [f'{CLASSES[2]}_1.JPEG', f'{CLASSES[0]}_2.JPEG']
    (tmp_path / f'{percent}percent.txt').write_text('\n'.join(listed) + '\n')
    command = re.search(r'```bash\n(percent=1\n.*?)```', DOCS, re.DOTALL)[1]
    command = command.replace('percent=1\n', f'percent={percent}\n')
    subprocess.run(['bash', '-euo', 'pipefail', '-c', command], cwd=tmp_path, check=True)

    path = next(FOLDER.glob(f'vit-base*_in1k-{percent}pct.py'))
    cfg = read_config(path).train_dataloader.dataset
    cfg.data_root = str(tmp_path / cfg.data_root)
    dataset = DATASETS.build(cfg)
    samples = [dataset.get_data_info(index) for index in range(len(dataset))]
    assert [Path(sample['img_path']).name for sample in samples] == listed
    assert [sample['gt_label'] for sample in samples] == [2, 0]
    assert all(Path(sample['img_path']).is_file() for sample in samples)


@pytest.mark.slow
@pytest.mark.parametrize('path', [*CONFIGS, *HYBRID], ids=lambda path: path.stem)
def test_one_iteration_at_full_width(path, tmp_path):
    cfg = of_imagenet(read_config(path), tmp_path, side=32)
    cfg.model.backbone.drop_path_rate = 0.0  # else a block may be left out, and stay as it is
    shallow(cfg, depth=2)
    losses = train_one_iteration(cfg, tmp_path / 'run')
    assert losses.keys() == {'loss'}


def test_data_of_one_s_own_train_as_the_docs_say(tmp_path, monkeypatch):
    for split in ('train', 'val'):
        for name in ('daisy', 'rose', 'tulip'):
            write_images(tmp_path / 'data' / 'flowers' / split / name, num=2)
    monkeypatch.chdir(tmp_path)
    (text,) = python_blocks('classification.md')
    cfg = config_from_text(text, tmp_path)
    cfg.model.backbone.update(
        arch=dict(embed_dims=24, num_layers=2, num_heads=3, feedforward_channels=24),
        drop_path_rate=0.0,
    )
    cfg.model.head.in_channels = 24
    cfg.train_dataloader.batch_size = 6
    assert len(DATASETS.build(cfg.val_dataloader.dataset)) == 6
    assert train_one_iteration(cfg, tmp_path / 'run')['loss'] == pytest.approx(math.log(3), abs=0.1)


@pytest.fixture
def quickstart(tmp_path):
    """Options that make the quickstart tiny: its encoder and data, and a checkpoint of it."""
    arch = dict(embed_dims=24, num_layers=2, num_heads=3, feedforward_channels=48)
    torch.manual_seed(0)
    encoder = DownstreamViT(arch, img_size=64, patch_size=8, in_channels=1)
    tensors = {f'backbone.{name}': tensor for name, tensor in encoder.state_dict().items()}
    torch.save({'state_dict': tensors}, tmp_path / 'epoch_18.pth')
    for split in ('train', 'test'):
        for label in range(14):
            write_images(tmp_path / 'images' / split / f'class{label:02}', num=2, size=(64, 64))
    return {
        **{f'model.backbone.arch.{name}': value for name, value in arch.items()},
        'model.backbone.init_cfg.checkpoint': str(tmp_path / 'epoch_18.pth'),
        'model.head.in_channels': 24,
        'train_dataloader.dataset.data_root': str(tmp_path / 'images'),
        'val_dataloader.dataset.data_root': str(tmp_path / 'images'),
        'test_dataloader.dataset.data_root': str(tmp_path / 'images'),
        'train_dataloader.dataset.indices': None,
        'train_dataloader.batch_size': 7,
        'train_cfg.max_epochs': 2,
        'train_cfg.val_interval': 1,
        'default_hooks.checkpoint.interval': 1,
    }


def test_quickstart_fits_its_encoder_and_its_images():
    cfg, pretraining = (
        read_config(path) for path in (QUICKSTART, ROOT / 'configs' / 'cmae' / 'cmae_quickstart.py')
    )
    theirs = pretraining.model.backbone
    assert {**theirs.arch, '_delete_': True} == {**cfg.model.backbone.arch, '_delete_': True}
    for name in ('img_size', 'patch_size', 'in_channels'):
        assert cfg.model.backbone[name] == theirs[name]
    for name in ('mean', 'std'):
        assert cfg.data_preprocessor[name] == pretraining.data_preprocessor[name]
    init = cfg.model.backbone.init_cfg
    epochs = pretraining.train_cfg.max_epochs
    assert init.checkpoint == f'{pretraining.work_dir}/epoch_{epochs}.pth'
    labels = [
        index // PICTURES_PER_CLASS['train'] for index in cfg.train_dataloader.dataset.indices
    ]
    assert labels == sorted(10 * list(range(len(SURFACES))))


def test_quickstart_trains_validates_and_tests(quickstart, tmp_path):
    cfg = read_config(QUICKSTART)
    cfg.work_dir = str(tmp_path / 'run')
    cfg.merge_from_dict(quickstart)
    cfg.train_dataloader.update(num_workers=0, persistent_workers=False)
    cfg.val_dataloader.num_workers = 0
    runner = RUNNERS.build(cfg)
    runner.train()
    scalars = runner.message_hub.log_scalars
    assert len(scalars['train/loss'].data[0]) == 2 * 4
    assert len(scalars['val/accuracy/top1'].data[0]) == 2
    log = Path(runner._log_dir, f'{runner.timestamp}.log').read_text()
    report = '28/28 encoder tensors, newly initialised: ln2 (2), not used: ln1 (2)'
    assert f'epoch_18.pth: {report}' in log
    assert (tmp_path / 'run' / 'epoch_2.pth').is_file()


@pytest.mark.slow
def test_quickstart_is_tested_in_two_processes_as_in_one(quickstart, tmp_path):
    run = tmp_path / 'run'
    options = ['--work-dir', run, '--cfg-options', 'val_dataloader.num_workers=0']
    options += [f'{key}={value}' for key, value in quickstart.items()]
    options.append('train_dataloader.num_workers=0')
    trained = process_here('train.py', QUICKSTART, '--verbose', *options)
    expected = re.findall(r'accuracy/top1: ([\d.]+)', trained.stdout)
    remove_logs(run)
    run_on_two_ranks('test.py', QUICKSTART, run / 'epoch_2.pth', *options)
    log = sorted(run.glob('*/*.log'))[-1].read_text()
    assert len(expected) == 2
    assert re.findall(r'accuracy/top1: ([\d.]+)', log) == expected[-1:]
