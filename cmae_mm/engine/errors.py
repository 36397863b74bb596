"""What a user can mend is said in one line; the rest keeps its traceback."""

import contextlib
import os
import sys
import traceback
from typing import Iterator

# Of these kinds are bad configs, bad data, bad checkpoints and full disks.
_USER_ERRORS = (
    AssertionError,
    AttributeError,
    ImportError,
    KeyError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """Print an error as one line and exit with status 1.

    The last line of a traceback is what was found, expected and to be done; the
    rest helps developers: it is printed when CMAE_MM_TRACEBACK=1 is set.
    """
    try:
        yield
    except _USER_ERRORS as error:
        if os.environ.get('CMAE_MM_TRACEBACK') == '1':
            traceback.print_exc()
        sys.exit(f'error: {_message(error)} (CMAE_MM_TRACEBACK=1 shows where)')


def _message(error: BaseException) -> str:
    text = str(error.args[0]) if isinstance(error, KeyError) else str(error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if lines and lines[0].startswith('Caught '):
        lines = lines[-1:]  # a DataLoader worker's traceback: its last line
    return ' '.join(lines) or type(error).__name__
