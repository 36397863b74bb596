import json
import shutil

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from tests.helpers.process import run_here as run
from tests.helpers.process import run_on_two_ranks
from tests.helpers.tiny import initial_state, tiny_config


@pytest.fixture
def files(tmp_path):
    """Two classes of noise images, a config and a checkpoint."""
    rng = np.random.default_rng(0)
    for split in ('train', 'test'):
        for name, top in (('dark', 60), ('light', 250)):
            (tmp_path / split / name).mkdir(parents=True)
            for index in range(4):
                pixels = rng.integers(top - 40, top, (16, 16, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / split / name / f'{index}.png')
    scale = dict(mean=[127.0] * 3, std=[50.0] * 3)
    cfg = Config(
        dict(
            model=tiny_config(data_preprocessor=dict(type='CMAEDataPreprocessor', **scale)),
            feature_eval=dict(train=str(tmp_path / 'train'), test=str(tmp_path / 'test')),
        )
    )
    cfg.dump(tmp_path / 'config.py')
    torch.save({'state_dict': initial_state(cfg)}, tmp_path / 'a.pth')
    return tmp_path


@pytest.mark.parametrize('checkpoint', ['a.pth', 'none'])
def test_evaluate_features_prints_and_writes_what_it_measured(
    files, checkpoint, monkeypatch, capsys
):
    path = checkpoint if checkpoint == 'none' else files / checkpoint
    out = files / 'new' / 'results.json'
    options = ['--workers', 0, '--out', out, '--attentive']
    run('evaluate_features.py', files / 'config.py', path, *options)
    results = json.loads(out.read_text())
    assert results['knn'] == 100  # dark and light differ in every feature
    assert (results['train_images'], results['test_images'], results['classes']) == (8, 8, 2)
    printed = capsys.readouterr().out
    assert 'kNN           100.0 %' in printed and 'attentive' in printed
    assert 'AUROC         100.0 % kNN' in printed and 'retrieval     mAP 100.0 %' in printed
    assert results['token_bytes'] == 16 * 17 * 24 * 2


def test_two_processes_share_the_images_and_measure_the_same(files):
    """Of ten training images one is broken; the second call takes what the first has kept."""
    rng = np.random.default_rng(1)
    for name in ('train/light/9.png', 'train/dark/9.png', 'test/light/9.png'):
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(files / name)
    (files / 'train' / 'dark' / '2.png').write_bytes(b'broken')
    (files / 'test' / 'dark' / '0.png').unlink()
    command = [files / 'config.py', files / 'a.pth', '--workers', 0, '--batch-size', 2]
    command += ['--features', files / 'kept']
    run_on_two_ranks('evaluate_features.py', *command, '--out', files / 'two.json')
    kept = np.load(files / 'kept' / 'train.npy')
    run('evaluate_features.py', *command, '--out', files / 'again.json')
    shutil.rmtree(files / 'kept')
    run('evaluate_features.py', *command, '--out', files / 'one.json')
    assert np.allclose(np.load(files / 'kept' / 'train.npy'), kept, atol=1e-6)
    results = [json.loads((files / f'{n}.json').read_text()) for n in ('two', 'again', 'one')]
    assert (results[0]['train_images'], results[0]['test_images']) == (9, 8)
    ranks = [one.pop('effective_rank') for one in results]
    assert ranks == pytest.approx([ranks[2]] * 3)
    for one in results:
        del one['seconds'], one['l2']  # so few held-out images are a close call
    assert results[0] == results[1] == results[2]


def test_folders_on_the_command_line_replace_those_of_the_config(files, monkeypatch, capsys):
    (files / 'test').rename(files / 'other')
    run(
        'evaluate_features.py',
        files / 'config.py',
        'none',
        '--workers',
        0,
        '--test',
        files / 'other',
    )
    assert '8 test images' in capsys.readouterr().out


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['config.py', 'none', '--test', 'nowhere'], "no folder 'nowhere'"),
        (['config.py', 'missing.pth'], 'no checkpoint'),
        (['config.py', 'none', '--k', 0], '0 neighbours'),
        (['config.py', 'none', '--size', 0], 'images of 0 pixels'),
        (['config.py', 'none', '--l2', -1], 'regularisation -1'),
        (['config.py', 'train/dark/0.png'], 'is not a checkpoint'),
    ],
)
def test_bad_input_is_one_line_and_status_one(files, arguments, message, monkeypatch):
    monkeypatch.chdir(files)
    with pytest.raises(SystemExit, match=message) as stopped:
        run('evaluate_features.py', *arguments, '--workers', 0)
    assert '\n' not in str(stopped.value)


def test_a_config_without_folders_needs_them_on_the_command_line(files, monkeypatch):
    cfg = Config.fromfile(files / 'config.py')
    cfg.pop('feature_eval')
    cfg.dump(files / 'config.py')
    with pytest.raises(SystemExit, match='give --train DIR and --test DIR'):
        run('evaluate_features.py', files / 'config.py', 'none')


def test_a_classifiers_config_gives_the_data_sets_of_its_loaders(files, capsys):
    cfg = Config.fromfile(files / 'config.py')
    cfg.pop('feature_eval')
    for split in ('train', 'test'):
        dataset = dict(type='CustomDataset', data_root=str(files / split))
        cfg[f'{split}_dataloader'] = dict(dataset=dataset)
    cfg.dump(files / 'config.py')
    shutil.rmtree(files / 'test' / 'dark')
    shutil.copytree(files / 'train' / 'dark', files / 'other' / 'dark')
    shutil.copytree(files / 'train' / 'light', files / 'other' / 'light')
    option = f'test_dataloader.dataset.data_root={files / "other"}'
    run(
        'evaluate_features.py', files / 'config.py', 'none', '--workers', 0, '--cfg-options', option
    )
    assert '2 classes, 8 training and 8 test images' in capsys.readouterr().out


def test_visualize_reconstruction_draws_a_column_an_image(files, monkeypatch):
    images = sorted((files / 'test' / 'dark').iterdir())[:3]
    out = files / 'new' / 'x.png'
    run('visualize_reconstruction.py', files / 'config.py', files / 'a.pth', *images, '--out', out)
    factor, gap = 8, 4
    side = 16 * factor + gap
    assert Image.open(out).size == (3 * side - gap, 3 * side - gap)


def test_visualize_draws_each_kind(files, capsys):
    model = files / 'config.py', files / 'a.pth'
    images = sorted((files / 'test' / 'dark').iterdir())[:2]
    log = files / 'run' / '1' / 'vis_data' / 'scalars.json'
    log.parent.mkdir(parents=True)
    log.write_text('{"loss": 1.0, "iter": 1, "step": 1}\n')
    cfg = Config.fromfile(files / 'config.py')
    for split, folder in cfg.feature_eval.items():  # data sets in place of folders
        cfg.feature_eval[split] = dict(type='CustomDataset', data_root=str(folder))
    cfg.dump(files / 'set.py')
    for arguments, said in (
        (('attention', *model, *images, '--patches', '3,0', '--heads'), 'brighter is more'),
        (('neighbours', *model, '--k', 2), 'of 8 images'),
        (('embedding', *model), '8 images of 2 classes'),
        (('overview', *model, '--k', 3), 'of 8 images'),
        (('overview', model[0], 'none'), 'of 8 images'),
        (('neighbours', files / 'set.py', 'none'), 'of 8 images'),
        (('curves', files / 'run'), '1 runs'),
    ):
        out = files / 'pictures' / f'{arguments[0]}.png'
        run('visualize.py', *arguments, '--out', out)
        assert f'{out}: ' in (printed := capsys.readouterr().out) and said in printed
        pixels = np.asarray(Image.open(out).convert('RGB'))
        assert min(pixels.shape[:2]) > 100 and len(np.unique(pixels)) > 20
    for options, said in (
        (('--most', 0), '0 images were asked for'),
        (('--queries', 0), '0 queries'),
        (('--k', 0), '0 neighbours'),
    ):
        with pytest.raises(SystemExit, match=said):
            run('visualize.py', 'neighbours', *model, *options)
    with pytest.raises(SystemExit, match=r'no feature_eval.test: give --images DIR'):
        Config(dict(model=Config.fromfile(files / 'config.py').model)).dump(files / 'bare.py')
        run('visualize.py', 'embedding', files / 'bare.py', files / 'a.pth')
