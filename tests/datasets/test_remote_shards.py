"""Shards of a server are read through a bounded cache that processes share."""

import pickle

import fsspec
import pytest
from fsspec.registry import known_implementations
from torch.utils.data import DataLoader

from cmae_mm.datasets import SeededDataset, remote_shards
from cmae_mm.datasets.remote_shards import without_secrets
from cmae_mm.datasets.sampling import SampleIndex
from cmae_mm.datasets.shard_sampler import ShardSampleIndex
from tests.datasets.test_shards import dataset, master
from tests.helpers.files import PIPELINE
from tests.helpers.shards import serve, write_shards

pytest.importorskip('aiohttp')  # fsspec reads http by it
SHARDS = [f'{number:06}.tar' for number in range(4)]


@pytest.fixture
def server(tmp_path):
    write_shards(tmp_path)
    with serve(tmp_path / 'shards') as running:
        yield running


def remote(server, tmp_path, **options):
    return dataset(server.url, cache_dir=str(tmp_path / 'cache'), **options)


def copies(tmp_path):
    return {path.name for path in (tmp_path / 'cache').glob('*/*.tar')}


def test_samples_are_those_of_the_folder_and_each_shard_is_loaded_once(tmp_path, server):
    data, local = remote(server, tmp_path), dataset(tmp_path / 'shards')
    for index in range(12):
        assert master(data, index).equal(master(local, index))
    again = remote(server, tmp_path)
    assert master(again, 11).equal(master(local, 11))
    assert server.requests == ['index.json', *SHARDS, 'index.json']


def test_workers_share_the_copies(tmp_path, server):
    data = pickle.loads(pickle.dumps(remote(server, tmp_path)))  # as for spawned ones
    loader = DataLoader(data, None, sampler=[*range(12)] * 2, num_workers=2)
    assert len(list(loader)) == 24
    assert sorted(server.requests) == [*SHARDS, 'index.json']


def test_the_copies_keep_to_their_limit_and_the_oldest_go(tmp_path, server):
    sizes = [(tmp_path / 'shards' / name).stat().st_size for name in SHARDS]
    data = remote(server, tmp_path, cache_gb=2 * max(sizes) / 1e9)
    for index in (0, 3, 1, 6):  # of shards 0, 1, 0, 2
        master(data, index)
        used = sum(path.stat().st_size for path in (tmp_path / 'cache').glob('*/*.tar*'))
        assert used <= 2 * max(sizes)
    assert copies(tmp_path) == {SHARDS[0], SHARDS[2]}
    master(data, 3)  # is loaded again
    assert server.requests.count(SHARDS[1]) == 2


def test_an_announced_shard_is_there_when_it_is_needed(tmp_path, server):
    data = SeededDataset(
        dict(
            type='ShardDataset',
            data_root=server.url,
            pipeline=PIPELINE,
            cache_dir=str(tmp_path / 'cache'),
        )
    )
    for upcoming in (3, 3):  # again, as by the next sample
        data[ShardSampleIndex(0, (0,), upcoming)]
        if data.shards._thread:
            data.shards._thread.join()
    assert server.requests == ['index.json', SHARDS[0], SHARDS[3]]
    data[SampleIndex(11, (0,))]
    assert len(server.requests) == 3


def test_what_fails_in_the_background_is_reported_by_who_needs_it(tmp_path, server, pauses):
    data = remote(server, tmp_path)
    (tmp_path / 'shards' / SHARDS[3]).unlink()
    data.expect(ShardSampleIndex(0, (0,), 3))
    if data.shards._thread:
        data.shards._thread.join()
    with pytest.raises(RuntimeError, match='could not be read in 4 attempts'):
        master(data, 11)


def test_a_cache_that_can_not_be_written_is_not_a_broken_image(tmp_path, server):
    data = remote(server, tmp_path)
    (tmp_path / 'cache' / 'room.lock').unlink()
    (tmp_path / 'cache' / 'room.lock').mkdir()  # nobody can open it
    with pytest.raises(RuntimeError, match='000001.tar could not be copied to .*cache_dir'):
        master(data, 3)


def test_a_cache_without_room_is_an_error(tmp_path, server):
    with pytest.raises(ValueError, match='cache_gb=1e-06 has no room for two shards'):
        remote(server, tmp_path, cache_gb=1e-6)


def test_shards_that_were_packed_anew_are_loaded_anew(tmp_path, server):
    master(remote(server, tmp_path), 0)
    for path in (tmp_path / 'shards').iterdir():
        path.unlink()
    write_shards(tmp_path, seed=1)
    local = dataset(tmp_path / 'shards')
    assert master(remote(server, tmp_path), 0).equal(master(local, 0))


@pytest.fixture
def pauses(monkeypatch):
    found = []
    monkeypatch.setattr(remote_shards.time, 'sleep', found.append)
    return found


def test_a_failure_is_tried_again_after_growing_pauses(tmp_path, server, pauses):
    server.failures += [500, 503]
    master(remote(server, tmp_path), 0)
    assert pauses == [1, 2] and server.requests == ['index.json'] * 3 + [SHARDS[0]]


def test_a_shard_that_is_not_delivered_ends_the_run_and_is_not_a_broken_image(
    tmp_path, server, pauses
):
    data = remote(server, tmp_path)
    (tmp_path / 'shards' / SHARDS[2]).unlink()
    address = f'{server.url}/{SHARDS[2]} could not be read in 4 attempts'
    with pytest.raises(RuntimeError, match=f'{address} .FileNotFoundError'):
        master(data, 6)
    assert pauses == [1, 2, 4]


def test_a_shard_of_another_size_is_not_taken(tmp_path, server, pauses):
    data = remote(server, tmp_path)
    path = tmp_path / 'shards' / SHARDS[1]
    path.write_bytes(path.read_bytes()[:-512])
    with pytest.raises(RuntimeError, match=r'\d+ bytes, expected \d+ from index.json'):
        master(data, 3)
    assert copies(tmp_path) == {SHARDS[0]}


def test_what_a_killed_process_left_is_loaded_again(tmp_path, server):
    data = remote(server, tmp_path)
    (data.shards.folder / f'{SHARDS[1]}.part').write_text('half')
    assert master(data, 3).equal(master(dataset(tmp_path / 'shards'), 3))


def test_credentials_are_not_shown(tmp_path, server, pauses, capfd):
    url = server.url.replace('//', '//me:secret@') + '/none?key=secret'
    with pytest.raises(RuntimeError) as raised:
        dataset(url, cache_dir=str(tmp_path / 'cache'))
    assert 'secret' not in str(raised.value) + ''.join(capfd.readouterr())
    assert without_secrets('s3://me:secret@host/a?b') == 's3://host/a'


def test_any_file_system_of_fsspec_serves(tmp_path):
    shards = write_shards(tmp_path)
    memory = fsspec.filesystem('memory')
    memory.put(str(shards), '/packed', recursive=True)
    data = dataset('memory://packed', cache_dir=str(tmp_path / 'cache'))
    assert master(data, 5).equal(master(dataset(shards), 5))


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    known = {'class': 'no_such_package.FileSystem', 'err': 'needs no_such_package'}
    monkeypatch.setitem(known_implementations, 'odd', known)
    with pytest.raises(ImportError, match=r'needs no_such_package: pip install "fsspec\[odd\]"'):
        dataset('odd://host/shards', cache_dir=str(tmp_path / 'cache'))
