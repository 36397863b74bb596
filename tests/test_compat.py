import ast
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.config import Config
from mmpretrain.utils import dependency

from cmae_mm import compat
from requirements.installer.environments import requirement_lines

DEFAULT = {'torch': '2.10.0+cu128', 'mmengine': '0.10.12', 'mmcv': '2.3.6', 'mmpretrain': '1.3.6'}
OPENMMLAB = {'torch': '2.1.2+cu121', 'mmengine': '0.10.7', 'mmcv': '2.1.0', 'mmpretrain': '1.2.0'}
ROOT = Path(__file__).parent.parent
REQUIREMENTS = ROOT / 'requirements'


@pytest.fixture
def install(monkeypatch):
    """Pretends that versions are installed."""

    def pretend(versions, python=(3, 11, 7)):
        monkeypatch.setattr(compat, 'installed_version', versions.get)
        monkeypatch.setattr(compat.sys, 'version_info', python)

    return pretend


def test_environment_of_the_tests_is_supported():
    compat.check_versions()


@pytest.mark.parametrize('versions', [DEFAULT, OPENMMLAB])
@pytest.mark.parametrize('python', [(3, 10, 0), (3, 12, 9)])
def test_both_stacks_pass(install, versions, python):
    install(versions, python)
    compat.check_versions()


@pytest.mark.parametrize('file, stack', [('default', 0), ('mmcv', 0), ('openmmlab', 1)])
def test_requirement_files_are_within_the_ranges(file, stack):
    pins = re.findall(
        r'^(?:onedl-)?([\w]+)(?:-lite)?==([\d.]+)', (REQUIREMENTS / f'{file}.txt').read_text(), re.M
    )
    ranges = compat.STACKS[stack].ranges
    known = {module: version for module, version in pins if module in ranges}
    assert known
    assert all(compat.within(version, ranges[module]) for module, version in known.items())


@pytest.mark.parametrize(
    'change',
    [
        {'torch': '2.12.0'},
        {'mmengine': '0.10.7'},
        {'mmcv': '2.1.0'},
        {'mmpretrain': '1.2.0'},
        {'mmpretrain': None},
    ],
)
def test_mixed_stacks_are_refused_naming_found_and_supported(install, change):
    found = {**DEFAULT, **change}
    install(found)
    with pytest.raises(ImportError) as error:
        compat.check_versions()
    message = str(error.value)
    for module, version in found.items():
        assert f'{module} {version or "missing"}' in message
    for stack in compat.STACKS:
        for module, versions in stack.ranges.items():
            assert f'{module} {versions}' in message


def test_torch_that_cannot_load_mmengine_checkpoints_is_refused(install):
    install({**OPENMMLAB, 'torch': '2.6.0'})
    with pytest.raises(ImportError, match='torch 2.6.0'):
        compat.check_versions()


@pytest.mark.parametrize('python', [(3, 9, 18), (3, 13, 0)])
def test_python_outside_the_range_is_refused(install, python):
    install(DEFAULT, python)
    with pytest.raises(ImportError, match=f'Python 3.{python[1]}.{python[2]} .*>=3.10,<3.13'):
        compat.check_versions()


@pytest.mark.parametrize('version', ['2.6.0', '2.6.0+cu124', '2.6.0a0+ecf3bae40a.nv25.01'])
def test_builds_and_previews_count_as_their_release(version):
    assert compat.within(version, '>=2.6,<2.7')
    assert not compat.within(version, '<2.6')


def test_version_is_read_without_importing_the_package(tmp_path, monkeypatch):
    package = tmp_path / 'imports_badly'
    package.mkdir()
    (package / '__init__.py').write_text("raise RuntimeError('imported')")
    (package / 'version.py').write_text("__version__ = '1.2.3'")
    monkeypatch.syspath_prepend(tmp_path)
    assert compat.installed_version('imports_badly') == '1.2.3'
    assert compat.installed_version('is_not_there_at_all') is None


@pytest.mark.parametrize('version, left_out', [('5.0.0', True), ('4.57.0', False)])
def test_multimodal_models_are_left_out_where_they_cannot_be_imported(
    version, left_out, tmp_path, monkeypatch
):
    info = tmp_path / f'transformers-{version}.dist-info'
    info.mkdir()
    (info / 'METADATA').write_text(
        f'Metadata-Version: 2.1\nName: transformers\nVersion: {version}\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(dependency, 'WITH_MULTIMODAL', True)
    compat.leave_out_multimodal_models()
    assert dependency.WITH_MULTIMODAL is not left_out


def test_imports_are_quiet_and_the_log_is_not_afterwards():
    code = (
        'import cmae_mm; from mmengine.logging import MMLogger;'
        "MMLogger.get_current_instance().warning('heard')"
    )
    process = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    lines = (process.stdout + process.stderr).splitlines()
    assert len(lines) == 1 and lines[0].endswith('heard')


HOSTS = {'cv2', 'matplotlib', 'mmcv', 'mmengine', 'mmpretrain', 'numpy', 'PIL', 'torch'}
HOSTS |= {'filelock', 'fsspec'}  # which torch requires


def test_what_is_imported_with_a_module_comes_with_a_host_or_is_declared():
    declared = set(re.findall(r'^\w+', (REQUIREMENTS / 'package.txt').read_text(), re.M))
    imported = set()
    for path in (REQUIREMENTS.parent / 'cmae_mm').rglob('*.py'):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Import):
                imported |= {alias.name.split('.')[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(node.module.split('.')[0])
    assert imported - sys.stdlib_module_names - HOSTS - {'cmae_mm'} == declared


def setup_arguments(monkeypatch):
    asked = {}
    monkeypatch.setattr('setuptools.setup', lambda **options: asked.update(options))
    monkeypatch.chdir(ROOT)
    runpy.run_path('setup.py')
    return asked


def test_pip_is_asked_for_what_is_declared(monkeypatch):
    asked = setup_arguments(monkeypatch)
    names = {re.match(r'[\w-]+', requirement)[0] for requirement in asked['install_requires']}
    assert names == {'packaging', 'safetensors', 'tqdm'}


def test_a_missing_package_is_told_with_the_extra_that_brings_it(monkeypatch):
    monkeypatch.setitem(sys.modules, 'sklearn.linear_model', None)
    with pytest.raises(ModuleNotFoundError) as error, compat.from_extra('evaluation'):
        import sklearn.linear_model  # noqa: F401
    assert str(error.value) == (
        "the package 'sklearn' is not installed: pip install 'cmae_mm[evaluation]'"
    )


def test_extras_are_what_the_environments_are_made_of(monkeypatch):
    asked = setup_arguments(monkeypatch)
    lines = {name: set(lines) for name, lines in asked['extras_require'].items()}
    for extra, files in {'onedl': ('default', 'mmcv'), 'openmmlab': ('openmmlab',)}.items():
        assert lines[extra] == {line for file in files for line in requirement_lines(ROOT, file)}
    assert lines['shards'] == set(requirement_lines(ROOT, 'shards'))
    assert lines['evaluation'] == set(requirement_lines(ROOT, 'runtime'))


def test_configs_inherit_from_mmseg_under_either_distribution(tmp_path):
    pytest.importorskip('mmseg')
    path = tmp_path / 'config.py'
    path.write_text("_base_ = 'mmseg::_base_/schedules/schedule_20k.py'\n")
    assert Config.fromfile(path).train_cfg.max_iters == 20000
