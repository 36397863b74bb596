"""Detectors around the encoder train on files in the format of COCO."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import RUNNERS, DefaultScope
from PIL import Image
from skimage.draw import polygon2mask

from cmae_mm.demo.scenes import THINGS, write_builtin_scenes
from cmae_mm.engine.ranks import fit_to_cpu
from tests.helpers.configs import read_config
from tests.helpers.detection import FULL_SIZE, HYBRID, QUICKSTART, RGB, VITDET, stem
from tests.helpers.docs import config_from_text, python_blocks
from tests.helpers.hosts import require_models
from tests.helpers.process import process_here, run_on_two_ranks
from tests.helpers.training import shallow, train_one_iteration

MODELS = require_models('mmdet')


@pytest.mark.parametrize('shape', [(1024, 683), (700, 1024), (102, 76)])
@pytest.mark.parametrize('training', [True, False])
def test_images_of_vitdet_are_filled_up_to_squares_with_the_mean(shape, training):
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    cfg = read_config(VITDET['base'])
    with DefaultScope.overwrite_default_scope('mmdet'):
        preprocessor = MODELS.build(cfg.model.data_preprocessor)
    sample = DetDataSample(gt_instances=InstanceData())
    image = torch.full((3, *shape), 200, dtype=torch.uint8)
    inputs = preprocessor(dict(inputs=[image], data_samples=[sample]), training)['inputs']
    assert inputs.shape == (1, 3, 1024, 1024)
    assert inputs[..., : shape[0], : shape[1]].abs().min() > 1
    inputs[..., : shape[0], : shape[1]] = 0
    assert not inputs.any()


@pytest.fixture(scope='module')
def scenes(tmp_path_factory):
    root = tmp_path_factory.mktemp('scenes')
    write_builtin_scenes(root, {'train': 4, 'val': 2})
    return root


def shrink(cfg, root, side):
    """Let a config for COCO train on scenes, at another image size."""
    dataset = cfg.train_dataloader.dataset
    if dataset.type == 'RepeatDataset':
        dataset = dataset.dataset
        cfg.model.data_preprocessor.pad_size_divisor = side
    dataset.update(
        data_root=str(root),
        ann_file='instances_train.json',
        data_prefix=dict(img='images/train'),
        metainfo=dict(classes=THINGS),
    )
    for step in dataset.pipeline:
        for name in {'scale', 'crop_size'} & step.keys():
            step[name] = (side, side)
    for head in (cfg.model.roi_head.bbox_head, cfg.model.roi_head.mask_head):
        head.num_classes = len(THINGS)
    cfg.model.backbone.img_size = side
    cfg.model.backbone.drop_path_rate = 0.0  # a block that is dropped is not trained
    cfg.model.train_cfg.rpn_proposal.update(nms_pre=200, max_per_img=50)
    cfg.model.train_cfg.rcnn.sampler.num = 32
    cfg.randomness = dict(seed=0)


@pytest.mark.slow
@pytest.mark.parametrize('path', [*FULL_SIZE, *HYBRID], ids=stem)
def test_full_width_model_trains(path, scenes, tmp_path):
    cfg = read_config(path)
    shallow(cfg)
    # 18x18 patches: four windows, three of them filled up
    shrink(cfg, scenes, side=288 if 'vitdet' in path.stem else 128)
    cfg.train_dataloader.batch_size = 1
    losses = train_one_iteration(cfg, tmp_path)
    assert {'loss_rpn_cls', 'loss_rpn_bbox', 'loss_cls', 'loss_bbox', 'loss_mask'} <= losses.keys()


def quickstart_on(scenes):
    """Options that point the quickstart to other scenes, and make it short."""
    return {
        'train_dataloader.dataset.data_root': str(scenes),
        'val_dataloader.dataset.data_root': str(scenes),
        'val_evaluator.ann_file': str(scenes / 'instances_val.json'),
        'model.backbone.init_cfg': None,
        'model.test_cfg.rcnn.score_thr': 0.0,  # there is no time to become sure of anything
        'train_dataloader.batch_size': 2,
        'train_cfg.max_epochs': 1,
        'train_cfg.val_interval': 1,
        'default_hooks.logger.interval': 1,
    }


def test_quickstart_trains_and_is_evaluated(scenes, tmp_path):
    cfg = read_config(QUICKSTART)
    cfg.merge_from_dict(quickstart_on(scenes))
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.update(num_workers=0, persistent_workers=False)
    cfg.work_dir = str(tmp_path)
    fit_to_cpu(cfg)
    runner = RUNNERS.build(cfg)
    runner.train()
    scalars = runner.message_hub.log_scalars
    assert len(scalars['train/loss_mask'].data[0]) == 2
    for task in ('bbox', 'segm'):
        assert 0 <= scalars[f'val/coco/{task}_mAP_50'].current() <= 1


def test_colour_pictures_train(tmp_path):
    write_builtin_scenes(tmp_path, {'train': 2, 'val': 1}, 'RGB')
    cfg = read_config(RGB)
    cfg.merge_from_dict(quickstart_on(tmp_path))
    losses = train_one_iteration(cfg, tmp_path / 'run')
    assert {'loss_rpn_cls', 'loss_rpn_bbox', 'loss_cls', 'loss_bbox', 'loss_mask'} <= losses.keys()


def test_heads_have_as_many_classes_as_the_data(scenes, tmp_path):
    cfg = read_config(QUICKSTART)
    cfg.merge_from_dict(quickstart_on(scenes))
    cfg.train_dataloader.update(num_workers=0, persistent_workers=False)
    cfg.model.roi_head.mask_head.num_classes = 4
    cfg.work_dir = str(tmp_path)
    fit_to_cpu(cfg)
    with pytest.raises(AssertionError, match=r'`num_classes` \(4\) in FCNMaskHead.*5\)'):
        RUNNERS.build(cfg).train()


@pytest.mark.slow
def test_two_cpu_ranks_train_and_evaluate(scenes, tmp_path):
    options = [f'{name}={value}' for name, value in quickstart_on(scenes).items()]
    arguments = (QUICKSTART, '--work-dir', tmp_path / 'run', '--cfg-options', *options)
    run_on_two_ranks('train.py', *arguments)
    log = next((tmp_path / 'run').glob('*/vis_data/scalars.json')).read_text().splitlines()
    steps = [json.loads(line) for line in log]
    assert sum('loss_mask' in step for step in steps) == 1  # 4 images, 2 ranks, batches of 2
    assert {'coco/bbox_mAP', 'coco/segm_mAP'} <= steps[-1].keys()


@pytest.mark.slow
def test_objects_without_masks_are_one_clear_line(scenes, tmp_path):
    contents = json.loads((scenes / 'instances_train.json').read_text())
    for annotation in contents['annotations']:
        del annotation['segmentation']
    (tmp_path / 'boxes.json').write_text(json.dumps(contents))
    options = quickstart_on(scenes)
    options['train_dataloader.dataset.ann_file'] = str(tmp_path / 'boxes.json')
    options['train_dataloader.num_workers'] = 0
    options = [f'{name}={value}' for name, value in options.items()]
    process = process_here(
        'train.py', QUICKSTART, '--work-dir', tmp_path / 'run', '--cfg-options', *options
    )
    assert process.returncode == 1
    last = process.stderr.splitlines()[-1]
    assert last.startswith('error: ') and "have no 'segmentation'" in last


OWN_CONFIG, FROM_OBJECTS, BOXES_ALONE, VOC = python_blocks('detection.md')


def own_config(text, folder):
    """A config of the docs, with an encoder and images that are tiny."""
    cfg = config_from_text(text, folder)
    width = 24
    cfg.model.backbone.update(
        arch=dict(embed_dims=width, num_layers=4, num_heads=2, feedforward_channels=width),
        img_size=128,
        out_indices=(0, 1, 2, 3),
        drop_path_rate=0.0,
    )
    cfg.model.neck[0].embed_dim = width
    cfg.model.neck[1].in_channels = [width] * 4
    for step in cfg.train_dataloader.dataset.pipeline:
        if 'scale' in step:
            step.scale = (128, 128)
    cfg.train_dataloader.batch_size = 2
    cfg.optim_wrapper.dtype = 'float32'
    return cfg


def test_own_pictures_of_objects_train(scenes, tmp_path, monkeypatch):
    parts = tmp_path / 'data' / 'parts'
    (parts / 'objects').mkdir(parents=True)
    shutil.copytree(scenes / 'images' / 'train', parts / 'train')
    contents = json.loads((scenes / 'instances_train.json').read_text())
    for image in contents['images']:
        objects = np.zeros((image['height'], image['width']), np.uint8)
        for annotation in contents['annotations']:
            if annotation['image_id'] == image['id']:
                polygon = np.reshape(annotation['segmentation'][0], (-1, 2))[:, ::-1]
                objects[polygon2mask(objects.shape, polygon - 0.5)] = annotation['id']
        Image.fromarray(objects).save((parts / 'objects' / image['file_name']).with_suffix('.png'))
    monkeypatch.chdir(tmp_path)
    exec(FROM_OBJECTS, {})
    found = json.loads((parts / 'train.json').read_text())
    for name in ('bbox', 'area'):
        there, here = ([a[name] for a in c['annotations']] for c in (contents, found))
        assert there == here
    losses = train_one_iteration(own_config(OWN_CONFIG, tmp_path), tmp_path / 'run')
    assert losses['loss_mask'] > 0


def test_boxes_alone_go_on_top_of_the_quickstart_too(tmp_path):
    base = 'vit-base-p16_fpn_mask-rcnn_8xb2-amp-1x_coco.py'
    cfg = config_from_text(BOXES_ALONE.replace(base, 'quickstart.py'), tmp_path)
    assert cfg.model.type == 'FasterRCNN'
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        steps = loader.dataset.pipeline
        assert steps[0] == dict(type='LoadImageFromFile', color_type='grayscale')
        assert dict(type='LoadAnnotations', with_bbox=True) in steps
        assert steps[-1].type == 'PackDetInputs'


def test_boxes_alone_train(scenes, tmp_path):
    contents = json.loads((scenes / 'instances_train.json').read_text())
    for annotation in contents['annotations']:
        del annotation['segmentation']
    (tmp_path / 'boxes.json').write_text(json.dumps(contents))
    cfg = own_config(BOXES_ALONE, tmp_path)
    cfg.train_dataloader.dataset.update(
        data_root=str(scenes),
        ann_file=str(tmp_path / 'boxes.json'),
        data_prefix=dict(img='images/train'),
        metainfo=dict(classes=THINGS),
    )
    cfg.model.roi_head.bbox_head.num_classes = len(THINGS)
    losses = train_one_iteration(cfg, tmp_path / 'run')
    assert losses['loss_bbox'] > 0 and 'loss_mask' not in losses


def write_as_voc(scenes, folder):
    """Write the training scenes as Pascal VOC has its images."""
    contents = json.loads((scenes / 'instances_train.json').read_text())
    names = {category['id']: category['name'] for category in contents['categories']}
    for part in ('Annotations', 'ImageSets/Main'):
        (folder / part).mkdir(parents=True)
    shutil.copytree(scenes / 'images/train', folder / 'JPEGImages')
    stems = [Path(image['file_name']).stem for image in contents['images']]
    for part in ('train', 'val'):
        (folder / f'ImageSets/Main/{part}.txt').write_text('\n'.join(stems))
    for image, stem_of_image in zip(contents['images'], stems):
        objects = ''
        for annotation in contents['annotations']:
            if annotation['image_id'] == image['id']:
                x, y, width, height = annotation['bbox']
                corners = zip(('xmin', 'ymin', 'xmax', 'ymax'), (x, y, x + width, y + height))
                box = ''.join(f'<{name}>{value:.0f}</{name}>' for name, value in corners)
                name = f'<name>{names[annotation["category_id"]]}</name>'
                objects += f'<object>{name}<bndbox>{box}</bndbox></object>'
        size = f'<size><width>{image["width"]}</width><height>{image["height"]}</height></size>'
        (folder / f'Annotations/{stem_of_image}.xml').write_text(
            f'<annotation>{size}{objects}</annotation>'
        )


def test_pascal_voc_s_files_train_and_are_evaluated(scenes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_as_voc(scenes, tmp_path / 'data/parts')
    text = (BOXES_ALONE + VOC).replace("('bolt', 'nut')", repr(THINGS))
    base = 'vit-base-p16_fpn_mask-rcnn_8xb2-amp-1x_coco.py'
    cfg = config_from_text(text.replace(base, RGB.name), tmp_path)
    cfg.model.backbone.init_cfg = None
    cfg.train_cfg.update(max_epochs=1, val_interval=1)
    cfg.work_dir = str(tmp_path / 'run')
    runner = RUNNERS.build(cfg)
    runner.train()
    assert 0 <= runner.message_hub.get_scalar('val/pascal_voc/mAP').current() <= 1
