#!/usr/bin/env python
"""torchrun, whose report of a failure is a line per error; called by dist_launch.sh.

python tools/launch.py [arguments of torchrun] TOOL.py ARGUMENTS...
"""

import logging
import os
import signal
import sys
from types import FrameType

from torch.distributed import run
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

INTERRUPTED = 75  # what a tool ends with after a signal


def report(failures: dict[int, ProcessFailure], ranks: int) -> str:
    """Say what ended a run: a line per error, with the ranks that report it.

    Ranks that the launcher ended, or that only missed another one, are left out if there is
    another error.

    Args:
        failures: by rank.
        ranks: on this node.
    """
    if is_interruption(failures):
        return 'interrupted; --resume goes on from there'
    first_to_last = sorted(failures.items(), key=lambda item: item[1].timestamp)
    causes = [item for item in first_to_last if not _is_consequence(item[1])]
    errors: dict[str, list[int]] = {}
    places: dict[str, str] = {}
    for rank, failure in causes or first_to_last[:1]:
        error = describe(failure)
        errors.setdefault(error, []).append(rank)
        places[error] = failure.error_file_data.get('where', '')
    return '\n'.join(
        f'error: {_names(found, ranks)}: {error} {places[error]}'.rstrip()
        for error, found in errors.items()
    )


def is_interruption(failures: dict[int, ProcessFailure]) -> bool:
    """Whether ranks ended in order after a signal, but for those that the launcher ended."""
    statuses = {each.exitcode for each in failures.values() if not _is_consequence(each)}
    return statuses == {INTERRUPTED}


def describe(failure: ProcessFailure) -> str:
    """Return the error of a rank, or how it ended without one."""
    if 'error' in failure.error_file_data:
        return failure.error_file_data['error'].rstrip()
    if failure.exitcode < 0:
        return f'killed by {failure.signal_name()}; dmesg says if memory ran out'
    return f'ended with status {failure.exitcode}'


def _is_consequence(failure: ProcessFailure) -> bool:
    ended_by_launcher = failure.exitcode == -signal.SIGTERM
    return ended_by_launcher or failure.error_file_data.get('consequence', False)


def _names(found: list[int], ranks: int) -> str:
    if ranks > 1 and len(found) == ranks:
        return f'all {ranks} ranks'
    return f'rank{"s" if len(found) > 1 else ""} {", ".join(map(str, sorted(found)))}'


def pass_on(number: int, frame: FrameType | None) -> None:
    """Let torch end the ranks by the signal that the launcher got."""
    raise SignalException(f'the launcher got signal {number}', signal.Signals(number))


def main() -> None:
    os.environ['CMAE_MM_LAUNCHER'] = 'prints'  # what ranks report: cmae_mm.engine.errors
    signal.signal(signal.SIGUSR1, pass_on)  # torch does so with others
    for name in list(logging.root.manager.loggerDict):
        if name.startswith('torch.distributed.elastic'):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # the report says it all
    args = run.parse_args(None)
    try:
        run.run(args)
    except ChildFailedError as error:
        print(report(error.failures, int(args.nproc_per_node)), file=sys.stderr)
        sys.exit(INTERRUPTED if is_interruption(error.failures) else 1)
    except SignalException as stopped:
        print(
            f'stopped by {stopped.sigval.name}; --resume goes on from the last checkpoint',
            file=sys.stderr,
        )
        sys.exit(INTERRUPTED)
    except RuntimeError as error:
        line = str(error).splitlines()[0]
        hint = '; set PORT to a free one' if 'EADDRINUSE' in line else ''
        sys.exit(f'error: {line}{hint}')


if __name__ == '__main__':
    main()
