"""One line for errors that a user can fix; a traceback for all others."""

import contextlib
import json
import os
import pickle
import re
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

from mmengine.dist import get_world_size
from mmengine.logging import MMLogger
from mmengine.runner import Runner

# Raised for bad configs, bad data, bad numbers, bad checkpoints and full disks.
_USER_ERRORS = (
    FloatingPointError,
    ImportError,
    OSError,
    pickle.UnpicklingError,
    RuntimeError,
    ValueError,
)

# Packages that check users' configs and data with assertions, worded for users.
HOSTS = ('mmengine', 'mmcv', 'mmpretrain', 'mmdet', 'mmseg')
# Folders of the code that reads configs and builds their parts.
_CONFIG_FOLDERS = (('mmengine', 'config'), ('mmengine', 'registry'))
_WRONG_FIELD = re.compile(r"unexpected keyword argument '(\w+)'|missing \d+ required")
_LOST_PEER = re.compile(
    r'lost contact|another rank has ended|Connection (closed|reset) by peer|gloo|NCCL',
    re.IGNORECASE,
)
# What torch's messages leave unsaid.
_ADVICE = (
    (
        re.compile(r'DataLoader worker .*(killed by signal|exited unexpectedly)'),
        'A data worker has ended: if memory ran out (dmesg says so), lower '
        'train_dataloader.num_workers; --resume goes on from the last checkpoint.',
    ),
    (
        _LOST_PEER,
        'Another rank has ended or does not answer: its log says why; --resume goes on from the '
        'last checkpoint.',
    ),
)


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """Print an error that a user can fix as one line, and exit with status 1.

    The line is the error's message: what was found, what was expected, what to do. The
    traceback goes to the run's log file, or to the screen if there is none yet and
    CMAE_MM_TRACEBACK=1 is set. Programming errors keep their traceback.

    Of several ranks ``tools/launch.py`` prints what they report, once.
    """
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except Exception as error:
        if not _is_users(error):
            if _report_to_launcher(traceback.format_exc()):
                sys.exit(1)
            raise
        message, where = _message(error), f'({_keep_traceback()})'
        sys.exit(1 if _report_to_launcher(message, where) else f'error: {message} {where}')


def _report_to_launcher(message: str, where: str = '') -> bool:
    """Write an error to the file that torch's launcher reads; return whether ours prints it."""
    path = os.environ.get('TORCHELASTIC_ERROR_FILE')
    if path is None:
        return False
    report = dict(
        message=f'{message} {where}',
        timestamp=int(time.time()),
        # for tools/launch.py
        error=message,
        where=where,
        consequence=bool(_LOST_PEER.search(message)),
    )
    Path(path).write_text(json.dumps(report))
    return os.environ.get('CMAE_MM_LAUNCHER') == 'prints'


def _is_users(error: Exception) -> bool:
    """Whether an error is due to a config, data or files rather than to a bug."""
    if isinstance(error, KeyError):  # the hosts' are sentences; a bare key means a bug
        return ' ' in str(error.args[0] if error.args else '')
    if isinstance(error, _USER_ERRORS):
        return True
    frames = list(traceback.walk_tb(error.__traceback__))
    last = Path(frames[-1][0].f_code.co_filename).parts
    if isinstance(error, AssertionError):
        return bool(str(error)) and any(host in last for host in HOSTS)
    if isinstance(error, AttributeError):
        return _in_config_code(last)
    return isinstance(error, TypeError) and (_in_config_code(last) or _is_wrong_field(error))


def _in_config_code(parts: tuple[str, ...]) -> bool:
    return any(folder in zip(parts, parts[1:]) for folder in _CONFIG_FOLDERS)


def _is_wrong_field(error: TypeError) -> bool:
    """Whether a config gives a class a field that it lacks, or omits one that it needs."""
    wrong = _WRONG_FIELD.search(str(error))
    if not wrong:
        return False
    configs = [
        frame.f_locals['cfg']
        for frame, _ in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_name == 'build_from_cfg'
    ]
    return any(wrong[1] is None or wrong[1] in cfg for cfg in configs)


def _keep_traceback() -> str:
    """Save the current traceback and return where: all ranks in the log file of rank 0."""
    log = MMLogger.get_current_instance().log_file
    if log is not None:
        with contextlib.suppress(OSError), open(log, 'a') as file:  # the disk may be full
            file.write(traceback.format_exc())
            return f'traceback: {os.path.relpath(log)}'
    if os.environ.get('CMAE_MM_TRACEBACK') == '1':
        traceback.print_exc()
    return 'CMAE_MM_TRACEBACK=1 shows where'


def require_writable(folder: str) -> None:
    """Create a work folder and check that it is writable.

    Raises:
        OSError: the folder can't be created, or is not writable.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(
            f'work folder {str(folder)!r} is not writable ({error.strerror}): choose '
            'another with --work-dir'
        ) from None


def require_batches(runner: Runner) -> None:
    """Check that there is something to train: iterations, and in an epoch at least one batch.

    Raises:
        ValueError: there are fewer images than one batch on every rank needs, or no iterations.
    """
    loader = runner.train_loop.dataloader
    if len(loader) == 0:
        raise ValueError(
            f'{len(loader.dataset)} images are fewer than one batch of '
            f'{loader.batch_sampler.batch_size} on each of {get_world_size()} ranks: '
            'lower train_dataloader.batch_size'
        )
    if runner.max_iters < 1:
        raise ValueError(
            f'train_cfg says {runner.max_iters} iterations: max_epochs or max_iters is to be 1 or '
            'more'
        )


def _message(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, ValueError) and any(frame.name == '_serialize_data' for frame in frames):
        # mmengine concatenates the records of the images; numpy's message about an empty list
        # does not help
        return (
            'a data set has no images: check data_root, data_prefix and ann_file in its '
            'dataloader, and that classes lists names from the annotation file'
        )
    text = str(error.args[0]) if isinstance(error, KeyError) else str(error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if lines and lines[0].startswith('Caught '):
        lines = lines[-1:]  # a DataLoader worker's traceback: its last line
    advice = [advice for pattern, advice in _ADVICE if pattern.search(text)]
    return ' '.join([*lines, *advice]) or type(error).__name__
