import pytest
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import LOOPS
from mmpretrain.registry import MODELS
from torch.utils.data import DataLoader

from cmae_mm.engine.errors import one_line_errors, require_writable
from cmae_mm.models import InfoNCELoss


@pytest.mark.parametrize(
    'error, line',
    [
        (ValueError('found a,\n  expected b'), 'error: found a, expected b'),
        (KeyError('X is not in the registry'), 'error: X is not in the registry'),
        (RuntimeError(), 'error: RuntimeError'),
        (
            ValueError(
                'Caught ValueError in DataLoader worker process 0.\nTraceback\nValueError: bad'
            ),
            'error: ValueError: bad',
        ),
        (
            RuntimeError('DataLoader worker (pid 7) is killed by signal: Killed. '),
            'error: DataLoader worker (pid 7) is killed by signal: Killed. A data worker has ended',
        ),
        (
            RuntimeError('[pair.cc:534] Connection closed by peer [::1]:5'),
            'error: [pair.cc:534] Connection closed by peer [::1]:5 Another rank has ended',
        ),
    ],
)
def test_errors_become_one_line_and_status_one(error, line, monkeypatch):
    monkeypatch.delenv('CMAE_MM_TRACEBACK', raising=False)
    with pytest.raises(SystemExit) as exit_, one_line_errors():
        raise error
    assert exit_.value.code.startswith(line)
    assert '\n' not in exit_.value.code


def test_traceback_on_request(monkeypatch, capsys):
    MMLogger.get_instance('of no file')  # the one of another test's Runner writes to its file
    monkeypatch.setenv('CMAE_MM_TRACEBACK', '1')
    with pytest.raises(SystemExit), one_line_errors():
        raise ValueError('found a')
    assert 'Traceback' in capsys.readouterr().err


@pytest.mark.parametrize(
    'error',
    [
        ZeroDivisionError(),
        AttributeError("'NoneType' object has no attribute 'shape'"),
        TypeError("f() got an unexpected keyword argument 'x'"),
        TypeError("unsupported operand type(s) for +: 'int' and 'str'"),
        AssertionError('a bug'),
        AssertionError(),
        KeyError('weight'),
        IndexError('out of range'),
    ],
    ids=repr,
)
def test_programming_errors_pass(error):
    with pytest.raises(type(error)), one_line_errors():
        raise error


def test_an_interrupt_ends_with_the_shells_status():
    with pytest.raises(SystemExit) as exit_, one_line_errors():
        raise KeyboardInterrupt
    assert exit_.value.code == 130


def line_of(function):
    with pytest.raises(SystemExit) as exit_, one_line_errors():
        function()
    return exit_.value.code


def test_what_is_wrong_in_a_config_is_a_line(tmp_path):
    def build(**fields):
        return lambda: MODELS.build(dict(type='InfoNCELoss', **fields))

    assert "unexpected keyword argument 'temprature'" in line_of(build(temprature=0.1))
    assert 'InfoNCELos is not in the' in line_of(lambda: MODELS.build(dict(type='InfoNCELos')))
    assert 'missing 2 required' in line_of(lambda: MODELS.build(dict(type='CMAEDataPreprocessor')))
    assert "no attribute 'train_dataloader'" in line_of(lambda: Config().train_dataloader)
    # an assertion of a host
    assert 'max_epochs' in line_of(
        lambda: LOOPS.build(
            dict(type='EpochBasedTrainLoop', max_epochs=1.5),
            default_args=dict(runner=None, dataloader=DataLoader([1])),
        )
    )


def test_a_fault_inside_what_a_config_builds_passes(monkeypatch):
    def broken(self, **kwargs):
        sorted([1], kye=None)

    monkeypatch.setattr(InfoNCELoss, '__init__', broken)
    with pytest.raises(TypeError), one_line_errors():
        MODELS.build(dict(type='InfoNCELoss', temperature=1.0))


def test_a_work_folder_that_can_not_be_made_is_an_error(tmp_path):
    require_writable(tmp_path / 'a' / 'b')
    assert (tmp_path / 'a' / 'b').is_dir()
    (tmp_path / 'file').write_text('')
    with pytest.raises(OSError, match='work folder .*/file/c.* is not writable'):
        require_writable(tmp_path / 'file' / 'c')


def test_the_traceback_is_in_the_log_file(tmp_path, monkeypatch):
    log = tmp_path / 'run.log'
    logger = MMLogger('with_file', log_file=str(log))
    monkeypatch.setattr(MMLogger, 'get_current_instance', lambda: logger)
    with pytest.raises(SystemExit) as exit_, one_line_errors():
        raise ValueError('found a')
    assert 'Traceback' in log.read_text() and "raise ValueError('found a')" in log.read_text()
    assert 'run.log' in exit_.value.code
