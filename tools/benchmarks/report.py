"""What the benchmarks share: ratios with their limits, a JSON, a plot."""

import json
import platform
import re
from pathlib import Path
from typing import NamedTuple

import torch
from matplotlib.figure import Figure


class Ratio(NamedTuple):
    """A measured ratio and the limit that it is meant to keep.

    Attributes:
        name: plain text.
        value: as measured.
        limit: smallest value, or with ``at_most`` the largest.
        at_most: whether smaller is better.
    """

    name: str
    value: float
    limit: float
    at_most: bool = False

    @property
    def kept(self) -> bool:
        """Whether the limit is kept."""
        return self.value <= self.limit if self.at_most else self.value >= self.limit

    def __str__(self) -> str:
        sign, verdict = '<=' if self.at_most else '>=', 'ok' if self.kept else 'MISSED'
        return f'{self.name:72}{self.value:8.2f}  {sign} {self.limit:<5g} {verdict}'


def machine() -> str:
    """Name the processor, and the GPU if there is one."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    try:
        text = Path('/proc/cpuinfo').read_text()
    except OSError:  # not Linux
        return platform.processor()
    model = re.search(r'model name\s*: (.*)', text)
    flags = {'avx512f', 'avx512_bf16', 'amx_bf16', 'avx2'} & set(text.split())
    return f'{model[1] if model else platform.machine()} ({", ".join(sorted(flags))})'


def write_results(out: Path, name: str, figures: dict, ratios: list[Ratio]) -> None:
    """Print the ratios and write them with all figures to ``out/name.json``."""
    print('\n'.join(str(ratio) for ratio in ratios))
    out.mkdir(parents=True, exist_ok=True)
    results = {
        'machine': machine(),
        'threads': torch.get_num_threads(),
        'torch': torch.__version__,
        **figures,
        'ratios': [{**ratio._asdict(), 'kept': ratio.kept} for ratio in ratios],
    }
    (out / f'{name}.json').write_text(json.dumps(results, indent=2) + '\n')
    print(f'{out}/{name}.json, {out}/{name}.png')


def draw_bars(values: dict[str, float], label: str, path: Path, limit: float | None = None) -> None:
    """Draw a horizontal bar per value, and the limit as a dashed line."""
    figure = Figure(figsize=(8, 0.4 * len(values) + 1), layout='constrained')
    axes = figure.subplots()
    names = list(values)[::-1]
    axes.barh(names, [values[name] for name in names], color='#4878a8')
    if limit is not None:
        axes.axvline(limit, color='#c44e52', linestyle='--')
    axes.set_xlabel(label)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)
