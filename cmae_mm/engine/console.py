"""What a person reads of a run while it goes: a few lines. Its log file keeps everything."""

import contextlib
import logging
import os
import shutil
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from types import FrameType

from mmengine.logging import MMLogger
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from .errors import HOSTS

_PACKAGE = __package__.partition('.')[0]
_CARRIERS = {'logging', 'mmengine.logging.logger', 'warnings', __name__}  # of others' messages
# Details: every group of parameters, a dozen numbers every 50 steps, what SummaryHook says, too.
_DETAILS = {
    f'{_PACKAGE}.engine.optim_constructors',
    f'{_PACKAGE}.engine.contrast_hook',
    f'{_PACKAGE}.evaluation.probe_hook',
}
_INSTALLED = {'site-packages', 'dist-packages'}

_brief: ContextVar[bool] = ContextVar('brief', default=False)


@contextlib.contextmanager
def console(verbose: bool = False) -> Iterator[None]:
    """Let Runners say on the console what a person needs, and the rest in their log file alone.

    On the console: messages of this package and of the user's own code, warnings that are not
    about deprecations in the hosts, errors. ``warnings.warn`` of installed packages goes to the
    log file.

    Args:
        verbose: leave everything on the console, as the hosts do.
    """
    token = _brief.set(not verbose)
    try:
        with warnings.catch_warnings():  # which restores showwarning, too
            if not verbose:
                warnings.showwarning = _log_warning
                attach(MMLogger.get_current_instance())
            yield
    finally:
        LiveLine.close_all()
        _brief.reset(token)
        for logger in MMLogger._instance_dict.values():
            _detach(logger)


def is_brief() -> bool:
    """Whether the console has a few lines only."""
    return _brief.get()


def is_terminal() -> bool:
    """Whether somebody looks on, so that a line may be redrawn in place."""
    return sys.stdout.isatty() and sys.stderr.isatty()


def say(text: str) -> None:
    """Print a line, above the live line if there is one."""
    tqdm.write(text, file=sys.stdout)
    sys.stdout.flush()


def attach(logger: MMLogger) -> MMLogger:
    """Return a logger, which now prints in few words if the console is to have few."""
    if is_brief():
        logger.handlers = [
            ConsoleHandler(handler) if type(handler) is logging.StreamHandler else handler
            for handler in logger.handlers
        ]
    return logger


def _detach(logger: MMLogger) -> None:
    logger.handlers = [getattr(handler, 'replaced', handler) for handler in logger.handlers]


class ConsoleHandler(logging.Handler):
    """Prints what is for people, without date and name.

    Args:
        replaced: the host's handler, whose level and filters are kept.
    """

    def __init__(self, replaced: logging.StreamHandler) -> None:
        super().__init__(replaced.level)
        self.replaced = replaced
        self.filters = [_is_for_people, *replaced.filters]

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record; ranks other than 0 only have errors."""
        text = record.getMessage()
        if record.levelno >= logging.WARNING:
            text = f'{_coloured(record.levelname.lower())}: {text}'
        say(text)


def _is_for_people(record: logging.LogRecord) -> bool:
    if record.levelno >= logging.ERROR:
        return True
    speaker = _speaker()
    if record.levelno >= logging.WARNING:
        return _is_own(speaker) or 'deprecated' not in record.getMessage()
    return _is_own(speaker) and speaker.f_globals.get('__name__') not in _DETAILS


def _speaker() -> FrameType:
    """The code that logs or warns: a record names mmengine's print_log instead of its caller."""
    frame = sys._getframe()
    while frame.f_globals.get('__name__') in _CARRIERS and frame.f_back:
        frame = frame.f_back
    return frame


def _is_own(frame: FrameType) -> bool:
    """Whether code is of this package or of the user's project."""
    package = frame.f_globals.get('__name__', '').partition('.')[0]
    if package in (_PACKAGE, '__main__'):
        return True
    installed = _INSTALLED.intersection(frame.f_code.co_filename.split(os.sep))
    return not (installed or package in HOSTS or package in sys.stdlib_module_names)


def _log_warning(message, category, filename, lineno, file=None, line=None) -> None:
    """Log what ``warnings.warn`` was given; that of installed packages is not for the console."""
    level = logging.WARNING if _is_own(_speaker()) else logging.INFO
    text = f'{category.__name__}: {message} ({filename}:{lineno})'
    MMLogger.get_current_instance().log(level, text)


def _coloured(word: str) -> str:
    """A word in yellow, where that can be seen; see no-color.org."""
    plain = os.environ.get('NO_COLOR') or os.environ.get('TERM') == 'dumb'
    return word if plain or not sys.stdout.isatty() else f'\x1b[33m{word}\x1b[0m'


@contextlib.contextmanager
def without_native_output() -> Iterator[None]:
    """Drop what libraries print past Python if the console is brief: gloo's lines per group."""
    if not is_brief():
        yield
        return
    sys.stdout.flush()
    stdout = os.dup(1)
    with open(os.devnull, 'w') as nothing:
        os.dup2(nothing.fileno(), 1)
    try:
        yield
    finally:
        os.dup2(stdout, 1)
        os.close(stdout)


class LiveLine:
    """One line at the bottom of a terminal, redrawn in place. Opening another one ends it.

    Args:
        loggers: the hosts', whose messages are to be printed above it.
        pause: seconds between two redraws.
    """

    _open: list['LiveLine'] = []

    def __init__(self, loggers: Sequence[MMLogger] = (), pause: float = 0.5) -> None:
        self.close_all()
        self.pause, self.drawn = pause, 0.0
        self.stack = contextlib.ExitStack()
        if loggers and not is_brief():
            self.stack.enter_context(logging_redirect_tqdm(list(loggers)))
        # of a fixed size, since a container's terminal may have none: show() sees to the width
        size = dict(ncols=1000, nrows=24)
        self.bar = self.stack.enter_context(
            tqdm(bar_format='{desc}', file=sys.stderr, leave=False, **size)
        )
        self._open.append(self)

    def is_due(self) -> bool:
        """Whether it was not redrawn for a while."""
        return time.monotonic() - self.drawn >= self.pause

    def show(self, fields: Sequence[str]) -> None:
        """Redraw the line: fields, the most important one first, as many as fit."""
        if self in self._open:
            self.drawn = time.monotonic()
            self.bar.set_description_str(fit(fields, shutil.get_terminal_size().columns - 1))

    def close(self) -> None:
        """Remove the line."""
        if self in self._open:
            self._open.remove(self)
            self.stack.close()

    @classmethod
    def close_all(cls) -> None:
        """Remove whatever line there is."""
        for line in list(cls._open):
            line.close()


@contextlib.contextmanager
def seconds_shown() -> Iterator[None]:
    """On a terminal show the seconds that something takes, until it shows a line of its own."""
    if not is_terminal():
        yield
        return
    line, ended, start = LiveLine(pause=1.0), threading.Event(), time.monotonic()

    def tick() -> None:
        while not ended.wait(line.pause):
            line.show([f'      {time.monotonic() - start:.0f} s'])

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        line.close()


def fit(fields: Sequence[str], width: int) -> str:
    """Join as many of the first fields as fit into a width, closer to each other if need be."""
    for count in range(len(fields), 0, -1):
        for gap in ('  ', ' '):
            line = gap.join(fields[:count])
            if len(line) <= width:
                return line
    return fields[0][:width]
