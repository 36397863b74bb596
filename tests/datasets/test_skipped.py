"""Images that can't be read are replaced, counted and listed, whoever loads them."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from torch.utils.data import DataLoader

from cmae_mm.datasets import PretrainDataset, SeededDataset, SkippedImages
from cmae_mm.datasets.sampling import SampleIndex
from tests.helpers.files import PIPELINE, write_images

HOSTS = [dict(type='mmcv.LoadImageFromFile'), dict(type='mmpretrain.PackInputs')]


def write(folder, good=6):
    """Good images, and one of each kind that can't be read; returns the names of these."""
    write_images(folder, num=good, name='class/{}.jpg')
    jpeg = (folder / 'class' / '0.jpg').read_bytes()
    bad = {
        'empty.jpg': b'',
        'text.png': b'no image',
        'truncated.jpg': jpeg[: len(jpeg) // 2],
        'deep.png': cv2.imencode('.png', np.zeros((8, 8), np.uint16))[1].tobytes(),
        'vanished.jpg': jpeg,  # removed once it was found
    }
    for name, content in bad.items():
        (folder / 'class' / name).write_bytes(content)
    return set(bad)


def pretraining(folder):
    return PretrainDataset(str(folder), pipeline=PIPELINE)


def wrapped(folder):
    kind = dict(type='mmpretrain.PretrainDataset', data_root=str(folder), pipeline=PIPELINE)
    return SeededDataset(kind)


def hosts(folder):
    kind = dict(type='mmpretrain.CustomDataset', data_root=str(folder), pipeline=HOSTS)
    return SeededDataset(kind)


@pytest.mark.parametrize(
    'make, num_workers, method',
    [(pretraining, 0, None), (wrapped, 2, 'fork'), (hosts, 0, None), (hosts, 2, 'forkserver')],
)
def test_each_is_replaced_counted_and_listed(tmp_path, make, num_workers, method):
    bad = write(tmp_path / 'images')
    if make is hosts:
        bad.remove('deep.png')  # which mmcv reduces to eight bits
    data = make(tmp_path / 'images')
    (tmp_path / 'images' / 'class' / 'vanished.jpg').unlink()
    skipped = SkippedImages(tmp_path / 'skipped.txt', num_workers)
    data.watch(skipped)
    indices = [SampleIndex(index, entropy=(index,)) for index in range(len(data))]
    loader = DataLoader(
        data,
        batch_size=None,
        sampler=indices,
        num_workers=num_workers,
        multiprocessing_context=method,
    )
    assert len(list(loader)) == len(data) == 11
    lines = (tmp_path / 'skipped.txt').read_text().splitlines()
    # a replacement that can't be read either is listed, but is not another sample
    assert skipped.count() == (11, len(bad)) and len(lines) >= len(bad)
    fields = [line.split('\t') for line in lines]
    assert {Path(image).name for image, _, _ in fields} == bad
    # what was tried in its place was read, or is itself in the list
    tried = {Path(image).name for _, _, image in fields}
    assert tried <= bad | {f'{index}.jpg' for index in range(6)}


def test_what_takes_a_samples_place_depends_on_its_seed_alone(tmp_path):
    write(tmp_path)
    data = pretraining(tmp_path)
    index = [data.get_data_info(i)['img_path'] for i in range(len(data))].index(
        str(tmp_path / 'class' / 'text.png')
    )
    first, again, other = (
        data[SampleIndex(index, entropy=(seed,))]['inputs']['master'] for seed in (1, 1, 2)
    )
    assert first.equal(again) and not first.equal(other)


def test_errors_that_are_not_of_an_image_pass(tmp_path):
    write_images(tmp_path, num=2, name='class/{}.jpg')
    data = hosts(tmp_path)
    data.pipeline.transforms.insert(0, lambda results: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        data[0]


def test_a_hosts_dataset_of_unreadable_images_alone_is_an_error(tmp_path):
    write_images(tmp_path, num=2, name='class/{}.jpg')
    data = hosts(tmp_path)
    for path in tmp_path.rglob('*.jpg'):
        path.unlink()
    with pytest.raises(RuntimeError, match='100 images in a row.*jpg: FileNotFoundError'):
        data[0]
