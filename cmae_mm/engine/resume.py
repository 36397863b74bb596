"""Where a run goes on: its newest whole checkpoint."""

import logging
from pathlib import Path
from typing import NamedTuple

from mmengine.logging import print_log

from cmae_mm.checkpoints import RunSummary, replacing, summarise_run

POINTER = 'last_checkpoint'
INTERRUPTED = 'interrupted.pth'  # what a signal makes a run save


def newest_checkpoint(folder: str | Path) -> Path | None:
    """Find the whole checkpoint of a work folder that was written last.

    That is the one that ``last_checkpoint`` names, unless the run was killed between writing a
    further one and naming it. Others may have come further, such as those of a run that was there
    before. The log says which one, and why it is not the one that is named.

    Args:
        folder: work folder of the run.

    Returns:
        its path; None if no run has left anything there.

    Raises:
        ValueError: there are files of a run, but no whole checkpoint.
    """
    folder = Path(folder)
    named = _pointed_at(folder)
    found, damaged = {}, {}
    for path in {*folder.glob('*.pth'), *([named] if named else [])}:
        try:
            summary = summarise_run(path)
        except (OSError, ValueError) as error:
            damaged[path] = error
        else:
            if summary.resumable and 'iter' in summary.meta:
                found[path] = summary
    if found:
        newest = max(found, key=lambda path: _age(found[path]))
        if named in found and found[newest].meta['iter'] <= found[named].meta['iter']:
            newest = named  # a clock was set back
        _report(newest, found, named, damaged)
        return newest
    if damaged or named:
        reasons = '; '.join(str(error) for error in damaged.values())
        raise ValueError(
            f'no whole checkpoint in {str(folder)!r} to resume from: {reasons}. Name another with '
            '--resume PATH, or start anew in an empty --work-dir'
        )
    print_log(f'no checkpoint in {str(folder)!r}: training starts anew', 'current')
    return None


def _age(summary: RunSummary) -> tuple[str, int]:
    return summary.meta.get('time', ''), summary.meta['iter']


class Start(NamedTuple):
    """Where a run goes on."""

    path: str | None
    seed: int | None


def find_start(named: str | None, folder: str, trusting: bool) -> Start:
    """Find what a run that is to be resumed goes on from.

    Args:
        named: path of a checkpoint; None takes the newest of the work folder.
        folder: work folder of the run.
        trusting: accept checkpoints whose code mmengine would execute.

    Raises:
        FileNotFoundError, ValueError: no whole checkpoint, or one that is not to be trusted.
    """
    path = named or newest_checkpoint(folder)
    if path is None:
        return Start(None, None)
    summary = summarise_run(path)
    if not summary.resumable or 'iter' not in summary.meta:
        raise ValueError(
            f'{str(path)!r} holds no state of a run that could be resumed. To start from its '
            'weights: --cfg-options load_from=PATH, without --resume'
        )
    if 'config' in summary.meta and not trusting:
        raise ValueError(
            f'{str(path)!r} was refused: its meta data hold a config, which mmengine would '
            'execute; nothing was executed. --trust-checkpoint resumes from it all the same'
        )
    return Start(str(path), summary.meta.get('seed'))


def point_at(folder: str | Path, checkpoint: str | Path) -> None:
    """Let ``last_checkpoint`` of a work folder name a checkpoint."""
    with replacing(Path(folder, POINTER)) as temporary:
        temporary.write_text(str(checkpoint))


def _pointed_at(folder: Path) -> Path | None:
    """The file that ``last_checkpoint`` names, if it names one; relative to where it was run."""
    try:
        text = (folder / POINTER).read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None
    if not text:
        return None
    path = Path(text)
    return folder / path.name if (folder / path.name).is_file() else path


def _report(newest: Path, found: dict[Path, RunSummary], named: Path | None, damaged: dict) -> None:
    for error in damaged.values():
        print_log(f'not resumed from: {error}', 'current', logging.WARNING)
    if named is None:
        why = f', the newest whole checkpoint: {POINTER} is missing or empty'
    elif named == newest:
        why = ''
    elif named in found:
        why = f', which is newer than {named.name}, the one that {POINTER} names'
    else:
        why = f', the newest whole checkpoint: {named.name}, named by {POINTER}, is not'
    meta = found[newest].meta
    print_log(
        f'resuming from {newest} (epoch {meta.get("epoch")}, iteration {meta["iter"]}){why}',
        'current',
        logging.WARNING if why else logging.INFO,
    )
