"""A page with the results of a run and its figures."""

import base64
import html
from collections.abc import Sequence
from pathlib import Path

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;
       padding: 0 1rem; color: #222; }}
table {{ border-collapse: collapse; margin: 1rem 0; }}
th, td {{ padding: .3rem 1rem .3rem 0; border-bottom: 1px solid #ddd; text-align: left; }}
table {{ display: block; overflow-x: auto; }}
img {{ max-width: 100%; }}
@media (max-width: 40rem) {{ .picture {{ overflow-x: auto; }}
                            .picture img {{ max-width: none; height: auto; min-width: 40rem; }} }}
figure {{ margin: 1.5rem 0; }} figcaption {{ color: #555; }}
</style></head><body>
<h1>{title}</h1>
<p>{summary}</p>
{sections}
</body></html>
"""


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
        f'<figure><div class="picture"><img alt="{caption}" src="data:image/png;base64,{data}">'
        f'</div><figcaption>{caption}</figcaption></figure>'
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
