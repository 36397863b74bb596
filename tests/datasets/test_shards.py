"""Shards give the samples that files give, and what is broken in them is counted."""

import json
import pickle
from pathlib import Path

import pytest
from mmengine.dataset import default_collate
from torch.utils.data import DataLoader

from cmae_mm.datasets import PretrainDataset, ShardDataset, SkippedImages, image_path, shard_storage
from cmae_mm.datasets.packing import list_sources, pack
from cmae_mm.datasets.sampling import SampleIndex
from tests.helpers.files import PIPELINE, write_images
from tests.helpers.shards import write_shards


def dataset(shards, **options):
    return ShardDataset(str(shards), pipeline=PIPELINE, **options)


def master(data, index):
    return data[SampleIndex(index, entropy=(index,))]['inputs']['master']


def damage(shards, change):
    """Change the content of the second image of the first shard; returns its name."""
    fields = json.loads((shards / 'index.json').read_text())['shards'][0]
    start, size = fields['offsets'][1], fields['sizes'][1]
    path = shards / fields['name']
    content = bytearray(path.read_bytes())
    name = content[start - 512 : start - 412].rstrip(b'\0').decode()
    change(content, start, size)
    path.write_bytes(content)
    return f'{path.name}/{name}'


def test_samples_are_those_of_the_files(tmp_path):
    data = dataset(write_shards(tmp_path))
    files = PretrainDataset(str(tmp_path / 'images'), pipeline=PIPELINE)
    by_name = {Path(files.get_data_info(i)['img_path']).parent.name: i for i in range(12)}
    assert len(data) == len(files) == 12
    for index in range(12):
        shard, name, _ = image_path(data, index).split('/')
        assert shard == f'{index // 3:06}.tar'
        entropy = (index,)
        found, expected = (
            source[SampleIndex(i, entropy)]['inputs']
            for source, i in ((data, index), (files, by_name.pop(name)))
        )
        assert found['master'].equal(expected['master'])
    assert not by_name


def test_workers_read_what_one_process_reads(tmp_path, monkeypatch):
    monkeypatch.setattr(shard_storage, '_MAX_OPEN', 2)  # of four shards
    data = dataset(write_shards(tmp_path))
    indices = [SampleIndex(index, (index,)) for index in [0, 11, 4, 7, 1, 3, 6, 2, 5, 10, 8, 9]]
    alone = [data[index]['inputs']['master'] for index in indices]
    loader = DataLoader(data, None, sampler=indices, num_workers=2)
    for sample, expected in zip(loader, alone):
        assert sample['inputs']['master'].equal(expected)


def test_no_more_files_stay_open_than_allowed(tmp_path, monkeypatch):
    monkeypatch.setattr(shard_storage, '_MAX_OPEN', 2)
    data = dataset(write_shards(tmp_path))
    default_collate([data[index] for index in range(12)])
    assert len(data.shards._files) == 2
    assert not pickle.loads(pickle.dumps(data.shards))._files


def overwrite(content, start, size):
    content[start : start + size] = bytes(size)


def break_header(content, start, size):
    content[start - 512] ^= 1  # the first letter of its name


def truncate(content, start, size):
    del content[start + size // 2 :]


@pytest.mark.parametrize('change', [overwrite, break_header, truncate])
def test_a_broken_member_is_replaced_counted_and_listed(tmp_path, change):
    shards = write_shards(tmp_path)
    data = dataset(shards)
    skipped = SkippedImages(tmp_path / 'skipped.txt', 0)
    data.watch(skipped)
    name = damage(shards, change)
    if change is break_header:  # its name can't be told
        name = '000000.tar/image 1'
    default_collate([data[SampleIndex(index, (index,))] for index in (0, 1, 4, 5)])
    fields = [line.split('\t') for line in (tmp_path / 'skipped.txt').read_text().splitlines()]
    assert {image for image, _, _ in fields} - {'000000.tar/image 2'} == {name}
    assert skipped.count() == (4, 1)


def test_what_is_in_the_tar_file_and_not_in_the_index_is_broken(tmp_path):
    shards = write_shards(tmp_path)
    index = json.loads((shards / 'index.json').read_text())
    index['shards'][0]['sizes'][1] -= 1
    (shards / 'index.json').write_text(json.dumps(index))
    data = dataset(shards)
    assert 'in the tar file and' in data.get_data_info(1)['unreadable']


def rename(folder, name):
    path = folder / 'index.json'
    path.write_text(path.read_text().replace('000000.tar', name))


def edit(folder, **fields):
    path = folder / 'index.json'
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


@pytest.mark.parametrize(
    'change, error, message',
    [
        (lambda shards: (shards / 'index.json').unlink(), FileNotFoundError, 'no index.json in'),
        (lambda shards: (shards / 'index.json').write_text('{'), ValueError, 'not an index of'),
        (lambda shards: (shards / 'index.json').write_text('[]'), ValueError, 'not an index of'),
        (lambda shards: edit(shards, version=2), ValueError, 'has version 2: expected .*version 1'),
        (lambda shards: rename(shards, '../a.tar'), ValueError, r"'../a.tar' as the name of a"),
        (lambda shards: edit(shards, samples=11), ValueError, 'disagrees with itself'),
        (lambda shards: edit(shards, samples=0, shards=[]), ValueError, 'disagrees with itself'),
        (
            lambda shards: (shards / '000001.tar').unlink(),
            ValueError,
            '000001.tar has no bytes, expected',
        ),
        (
            lambda shards: damage(shards, truncate),
            ValueError,
            r'000000.tar has \d+ bytes, expected \d+ from index.json: copy or pack',
        ),
    ],
)
def test_an_index_that_disagrees_is_an_error_at_start_up(tmp_path, change, error, message):
    shards = write_shards(tmp_path)
    change(shards)
    with pytest.raises(error, match=message):
        dataset(shards)


def test_a_prefix_names_a_folder_below_the_root(tmp_path):
    write_shards(tmp_path / 'train')
    assert len(dataset(tmp_path, data_prefix='train/shards')) == 12


def test_labels_come_with_the_images(tmp_path):
    images = write_images(tmp_path / 'images', num=6)
    lines = ''.join(f'{number}.jpg {number}\n' for number in range(6))
    (tmp_path / 'list.txt').write_text(lines)
    pack(list_sources(images, tmp_path / 'list.txt'), images, tmp_path / 'shards', 2)
    data = dataset(tmp_path / 'shards')
    for index in range(6):
        info = data.get_data_info(index)
        assert Path(info['img_path']).stem == str(info['gt_label'])
