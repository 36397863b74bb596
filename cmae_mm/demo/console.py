"""The hosts' output, kept apart from a demonstration's own."""

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def console_to_file(folder: Path) -> Iterator[None]:
    """Send what is printed to ``console.log`` in a folder, which is made; drop warnings.

    The warnings are the hosts', about things that can't be changed here.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (
        open(folder / 'console.log', 'w') as console,
        contextlib.redirect_stdout(console),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter('ignore')
        yield
