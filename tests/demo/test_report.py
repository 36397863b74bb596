import base64

import numpy as np
from PIL import Image

from cmae_mm.demo import report


def test_the_summary_says_what_was_measured_for_better_or_worse():
    before, after = dict(knn=30.0, linear=50.0), dict(knn=42.5, linear=47.0)
    summary = report.summarize(before, after)
    assert '30.0 % untrained, 42.5 % after pre-training (+12.5 points)' in summary
    assert '50.0 % untrained, 47.0 % after pre-training (-3.0 points)' in summary


def test_the_page_holds_its_pictures(tmp_path):
    Image.fromarray(np.zeros((2, 2), np.uint8)).save(tmp_path / 'a.png')
    picture = report.picture(tmp_path / 'a.png', 'three < four')
    report.write_page(tmp_path / 'a.html', 'a & b', 'text', {'Figure': picture})
    page = (tmp_path / 'a.html').read_text()
    data = base64.b64encode((tmp_path / 'a.png').read_bytes()).decode()
    assert f'src="data:image/png;base64,{data}"' in page
    assert 'a &amp; b' in page and 'three &lt; four' in page
    assert 'src="' in page and 'http' not in page


def test_tables_keep_their_cells():
    assert report.table([('k', 'v'), ('a', '<1>')]) == (
        '<table><tr><th>k</th><th>v</th></tr>\n<tr><td>a</td><td>&lt;1&gt;</td></tr>\n</table>'
    )
