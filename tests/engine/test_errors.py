import pytest
from mmengine.logging import MMLogger

from cmae_mm.engine.errors import one_line_errors, require_writable


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


def test_interrupts_and_programming_errors_pass():
    for error in (KeyboardInterrupt, ZeroDivisionError):
        with pytest.raises(error), one_line_errors():
            raise error


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
