"""The installer's command line."""

import argparse
import contextlib
import fcntl
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from .checks import check_python, python_fits
from .environments import ENVIRONMENTS
from .errors import InstallError
from .installer import Installer
from .progress import say

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Set up the environment that the command line names.

    Args:
        arguments: the command line, by default this process's.
        root: the checkout.

    Returns:
        the exit status: 0 if the environment is complete or, with --fits, if this Python fits.
    """
    options = parse_arguments(arguments)
    environment = ENVIRONMENTS[options.environment]
    if options.fits:
        return 0 if python_fits(environment) else 1
    try:
        check_python(environment)
        with one_at_a_time(root / f'{environment.folder}.lock'):
            Installer(environment, root).ensure(options.ops)
    except InstallError as error:
        return give_up(str(error))
    except OSError as error:
        return give_up(
            f'{error.filename or root}: {error.strerror}; the checkout and the cache folder must '
            'be writable and have space'
        )
    except KeyboardInterrupt:
        return give_up('interrupted; run the same command again to continue')
    return 0


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line, by default this process's."""
    parser = argparse.ArgumentParser(description="Set up one of the project's environments.")
    parser.add_argument('environment', choices=sorted(ENVIRONMENTS))
    parser.add_argument('--ops', action='store_true', help="with mmcv's compiled operators")
    parser.add_argument(
        '--fits', action='store_true', help='only report, as exit status, whether this Python fits'
    )
    options = parser.parse_args(arguments)
    if options.ops and not ENVIRONMENTS[options.environment].mmcv:
        parser.error('--ops is for the default environment')
    return options


@contextlib.contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Hold a lock file, so that two calls do not delete what the other one installs."""
    with path.open('w') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f'Another call is setting up {path.stem}: waiting for it')
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def give_up(reason: str) -> int:
    """Print why on the error stream and return the exit status."""
    print(f'Error: {reason}', file=sys.stderr)
    return 1
