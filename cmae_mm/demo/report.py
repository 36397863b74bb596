"""A page with the results of a run and its figures."""

import base64
import html
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

_LOSSES = {'loss_rc': 'reconstruction', 'loss_ct': 'contrast'}
_WINDOW = 10  # steps

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;
       padding: 0 1rem; color: #222; }}
table {{ border-collapse: collapse; margin: 1rem 0; }}
th, td {{ padding: .3rem 1rem .3rem 0; border-bottom: 1px solid #ddd; text-align: left; }}
img {{ max-width: 100%; }}
figure {{ margin: 1.5rem 0; }} figcaption {{ color: #555; }}
</style></head><body>
<h1>{title}</h1>
<p>{summary}</p>
{sections}
</body></html>
"""


def draw_losses(losses: dict[str, Sequence[float]], path: str | Path) -> None:
    """Draw the losses of a training, averaged over ten steps, as a PNG.

    Args:
        losses: one value per step, by ``loss_rc`` and ``loss_ct``.
        path: of the PNG.
    """
    figure = Figure(figsize=(9, 3), layout='constrained')
    axes = figure.subplots(1, len(_LOSSES))
    for axis, (key, name) in zip(axes, _LOSSES.items(), strict=True):
        window = min(_WINDOW, len(losses[key]))
        smooth = np.convolve(losses[key], np.full(window, 1 / window), mode='valid')
        axis.plot(np.arange(len(smooth)) + window, smooth)
        axis.set(title=f'{name} ({key})', xlabel='step')
        axis.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


def summarize(before: dict[str, float], after: dict[str, float]) -> str:
    """Summarise in a sentence how two results of ``evaluate_features`` differ."""
    return ' '.join(
        f'{name} on frozen features: {before[key]:.1f} % untrained, {after[key]:.1f} % '
        f'after pre-training ({after[key] - before[key]:+.1f} points).'
        for key, name in (('knn', 'kNN (k = 20)'), ('linear', 'Linear probe'))
    )


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return the HTML of a table; the first row is its header."""
    head, *body = [[html.escape(str(cell)) for cell in row] for row in rows]
    lines = [''.join(f'<th>{cell}</th>' for cell in head)]
    lines += [''.join(f'<td>{cell}</td>' for cell in row) for row in body]
    return '<table>' + ''.join(f'<tr>{line}</tr>\n' for line in lines) + '</table>'


def picture(png: str | Path, caption: str) -> str:
    """Return the HTML of a picture embedded in the page."""
    data = base64.b64encode(Path(png).read_bytes()).decode()
    caption = html.escape(caption)
    return (
        f'<figure><img alt="{caption}" src="data:image/png;base64,{data}">'
        f'<figcaption>{caption}</figcaption></figure>'
    )


def write_page(path: str | Path, title: str, summary: str, sections: dict[str, str]) -> None:
    """Write a self-contained HTML page.

    Args:
        path: of the page.
        title: plain text.
        summary: plain text, the first paragraph.
        sections: HTML by heading.
    """
    parts = [f'<h2>{html.escape(name)}</h2>\n{body}' for name, body in sections.items()]
    Path(path).write_text(
        _PAGE.format(
            title=html.escape(title),
            summary=html.escape(summary),
            sections='\n'.join(parts),
        )
    )
