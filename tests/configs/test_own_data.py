"""The configs for data of one's own, from real files to features and pictures."""

import json
import re
import textwrap

import cv2
import numpy as np
import pytest
from mmengine.registry import RUNNERS
from mmpretrain.registry import MODELS
from PIL import Image

from cmae_mm.datasets import LoadImage
from cmae_mm.datasets.folder import IMAGE_SUFFIXES
from cmae_mm.engine.ranks import fit_to_cpu
from cmae_mm.evaluation import image_loading
from tests.helpers.configs import CONFIGS, read_config
from tests.helpers.docs import config_from_text, python_blocks
from tests.helpers.files import smooth_picture, write_tiff
from tests.helpers.process import process_here, run_here
from tests.helpers.tiny import ARCH, DECODER

NUM = 4
GRAY, RECTANGLES, CHANNELS, HOST, SHORT = python_blocks('own_data.md')
# per config: how a file is written, and the size of what is drawn of an image
KINDS = dict(
    gray=('png', dict(channels=1), (224, 224)),
    rectangles=('jpg', dict(size=(60, 90)), (192, 320)),
    multichannel=('tif', dict(channels=6, dtype='uint16'), (224, 224)),
)


def write_classes(root, suffix, **options):
    """Two classes, the second one darker."""
    for seed in range(NUM):
        image = smooth_picture(seed, **options) // (1 + seed % 2 * 8)
        path = root / 'ab'[seed % 2] / f'{seed}.{suffix}'
        path.parent.mkdir(parents=True, exist_ok=True)
        if suffix == 'tif':
            write_tiff(path, image)
        else:
            cv2.imwrite(str(path), image)


def small(kind, root, work_dir):
    """A config with a tiny model, for two iterations."""
    cfg = read_config(CONFIGS / 'cmae' / f'cmae_vit-small-p16_{kind}_folder.py')
    cfg.model.backbone.arch = ARCH
    cfg.model.neck.pixel.update(decoder_depth=1, **DECODER)
    cfg.model.neck.feature.update(decoder_depth=1, **DECODER)
    cfg.train_dataloader.update(batch_size=2, num_workers=0, persistent_workers=False)
    cfg.train_dataloader.dataset.data_root = str(root)
    cfg.train_cfg.max_epochs = 1
    cfg.param_scheduler = None
    cfg.default_hooks.checkpoint.interval = 1
    cfg.auto_scale_lr.enable = False
    cfg.work_dir = str(work_dir)
    return cfg


@pytest.mark.parametrize('kind', KINDS)
def test_trains_is_evaluated_and_reconstructs(tmp_path, kind):
    suffix, options, (height, width) = KINDS[kind]
    images = tmp_path / 'images'
    write_classes(images, suffix, **options)
    cfg = small(kind, images, tmp_path / 'run')
    cfg.default_hooks.probe = dict(type='FeatureProbeHook', train=str(images), test=str(images))
    cfg.default_hooks.pictures = dict(type='PictureHook', interval=1, images=str(images), count=2)
    cfg.dump(tmp_path / 'config.py')
    fit_to_cpu(cfg)
    runner = RUNNERS.build(cfg)
    runner.train()
    assert runner.iter == 2
    assert np.isfinite(runner.message_hub.get_scalar('train/loss').current())
    assert runner.message_hub.get_scalar('probe/knn').current() == 100
    assert len([*(tmp_path / 'run').rglob('vis_image/*.png')]) == 2  # reconstruction, attention
    trained = tmp_path / 'config.py', tmp_path / 'run' / 'epoch_1.pth'

    found = tmp_path / 'found.json'
    folders = ['--train', images, '--test', images, '--workers', 0, '--out', found]
    run_here('evaluate_features.py', *trained, *folders)
    results = json.loads(found.read_text())
    assert (results['train_images'], results['test_images'], results['knn']) == (NUM, NUM, 100)

    picture = tmp_path / 'reconstruction.png'
    files = sorted(images.rglob('*.*'))[:2]
    run_here('visualize_reconstruction.py', *trained, *files, '--out', picture)
    drawn = np.asarray(Image.open(picture))
    assert drawn.shape[:2] == (3 * height + 2 * 4, 2 * width + 4)
    assert drawn.ndim == (2 if kind == 'gray' else 3)
    assert drawn[:height].std() > 30  # stretched to the range of levels


def test_channels_that_are_drawn_can_be_chosen(tmp_path):
    write_classes(tmp_path, 'tif', channels=6, dtype='uint16')
    cfg = small('multichannel', tmp_path, tmp_path)
    cfg.dump(tmp_path / 'config.py')
    runner = RUNNERS.build(cfg)
    runner.save_checkpoint(str(tmp_path), 'a.pth', save_optimizer=False)
    runner.writer.wait()
    image = tmp_path / 'a' / '0.tif'
    tool = 'visualize_reconstruction.py', tmp_path / 'config.py', tmp_path / 'a.pth', image

    def top_row(*channels):
        run_here(*tool, '--out', tmp_path / 'out.png', '--channels', *channels)
        return np.asarray(Image.open(tmp_path / 'out.png'))[:224]

    assert (top_row(5, 0, 2)[..., 0] == top_row(0, 1, 5)[..., 2]).all()
    failed = process_here(*tool, '--channels', 0, 1, 6)
    assert failed.returncode == 1 and 'expected three of 0 to 5' in failed.stderr


def test_files_with_another_number_of_channels_are_named(tmp_path):
    write_classes(tmp_path / 'images', 'tif', channels=4, dtype='uint16')
    cfg = small('multichannel', tmp_path / 'images', tmp_path / 'run')
    with pytest.raises(
        RuntimeError, match=r'100 images in a row .*\d\.tif: an image of 4 channels, expected 6'
    ):
        RUNNERS.build(cfg).train()


def test_configs_of_the_docs_are_whole(tmp_path):
    gray, rectangles, channels, host, short = (
        config_from_text(textwrap.dedent(text), tmp_path)
        for text in (GRAY, RECTANGLES, CHANNELS, HOST, SHORT)
    )
    for cfg in (gray, rectangles, channels):
        pipeline = cfg.train_dataloader.dataset.pipeline
        load = LoadImage(**image_loading(cfg))
        normalise = MODELS.build(cfg.data_preprocessor)
        assert load.channels == cfg.model.backbone.get('in_channels', 3) == len(normalise.mean)
        assert pipeline[3].crop_size == cfg.model.backbone.img_size
        assert cfg.train_dataloader.dataset.data_root.startswith('data/')
    master = rectangles.train_dataloader.dataset.pipeline[1]
    low, high = master.aspect_ratio_range
    assert low < master.scale[1] / master.scale[0] < high
    assert host.train_dataloader.dataset.keys() == {'type', 'dataset', 'pipeline'}
    warm_up, cosine = short.param_scheduler
    assert warm_up.end == cosine.begin and cosine.end == short.train_cfg.max_epochs
    assert cosine.T_max == cosine.end - cosine.begin


def test_docs_list_the_suffixes():
    text = (CONFIGS.parent / 'docs' / 'own_data.md').read_text()
    (listed,) = re.findall(r'Suffixes that are taken: (.*?), in\neither case', text, re.DOTALL)
    assert set(listed.split(', ')) == set(IMAGE_SUFFIXES) - {'.avif', '.gif'}
