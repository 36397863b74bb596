"""A progress line for uv, pip and ninja, with the time left while files compile."""

import re
import shutil
import sys
import time
from collections import deque
from collections.abc import Callable

NINJA_STEP = re.compile(r'\s*\[(\d+)/(\d+)\] ')
PACKAGE_STEP = re.compile(r'\s*(Collecting|Download(?:ing|ed)|Installing|Building) (?:\S*/)?(\S+)')


def say(text: str) -> None:
    """Print a line at once, even into a pipe."""
    print(text, flush=True)


class Pace:
    """Estimates the time left from the time that recent steps took.

    Neither cheap first steps nor a machine that was busier a while ago distort the estimate.

    Args:
        window: number of recent steps to measure.
        fewest: number of steps to measure before the first estimate.
    """

    def __init__(self, window: int = 20, fewest: int = 5) -> None:
        self.fewest = fewest
        self.steps: deque[tuple[int, float]] = deque(maxlen=window + 1)

    def seconds_left(self, done: int, total: int, now: float) -> float | None:
        """Note that a step is done and estimate how long the others will take.

        Args:
            done: number of steps done so far.
            total: number of steps.
            now: time in seconds.

        Returns:
            seconds, or None while too few steps have been measured.
        """
        if self.steps and done < self.steps[-1][0]:
            self.steps.clear()  # another build has begun to count
        self.steps.append((done, now))
        first, start = self.steps[0]
        if done - first < self.fewest:
            return None
        return (now - start) / (done - first) * (total - done)


class Progress:
    """Shows how far a command is: a live line on a terminal, elsewhere a line per minute.

    Args:
        what: what is being done, perhaps with a remark in parentheses.
        clock: returns the time in seconds.
        seconds_between: time between two lines where there is no terminal.
    """

    def __init__(
        self,
        what: str,
        clock: Callable[[], float] = time.monotonic,
        seconds_between: float = 60,
    ) -> None:
        self.what = what
        self.name = what.split(' (')[0]
        self.clock = clock
        self.seconds_between = seconds_between
        self.live = sys.stdout.isatty()
        self.pace = Pace()

    def __enter__(self) -> 'Progress':
        self.start = self.shown = self.clock()
        if self.live:
            self._redraw(f'{self.what} ...')
        else:
            say(f'  {self.what} ...')
        return self

    def __exit__(self, kind, *_) -> None:
        if self.live:
            self._redraw('')
        result = f'{self.clock() - self.start:.0f} s' if kind is None else 'failed'
        say(f'  {self.name}: {result}')

    def show(self, output: str) -> None:
        """Take a line of the command's output and show what it says about progress."""
        now = self.clock()
        step = self._step(output, now)
        if step is None:
            return
        if self.live:
            # without the remark, which would push the step off a narrow terminal
            self._redraw(f'{self.name} ... {step}')
        elif now - self.shown >= self.seconds_between:
            say(f'    {step}')
            self.shown = now

    def _step(self, output: str, now: float) -> str | None:
        """Return the progress in a line of uv's, pip's or ninja's output, None if it has none."""
        if ninja := NINJA_STEP.match(output):
            done, total = map(int, ninja.groups())
            seconds = self.pace.seconds_left(done, total, now)
            step = f'{done} of {total} files'
            return step if seconds is None or done == total else f'{step}, {time_left(seconds)}'
        if package := PACKAGE_STEP.match(output):
            return ' '.join(package.groups())
        return None

    def _redraw(self, text: str) -> None:
        """Replace the text of the live line."""
        width = shutil.get_terminal_size().columns
        indented = f'  {text}' if text else ''
        print('\r\033[K' + indented[: width - 1], end='', flush=True)


def time_left(seconds: float) -> str:
    """Return an estimate in words, in whole minutes."""
    minutes = round(seconds / 60)
    return f'about {minutes} min left' if minutes else 'less than a minute left'
