import json
import subprocess
import sys

import pytest

from tests.helpers.process import ROOT


@pytest.mark.benchmark
@pytest.mark.parametrize('tool', ['data_path', 'train_step'])
def test_no_ratio_falls_more_than_a_tenth_behind_its_limit(tool, tmp_path):
    script = ROOT / f'tools/benchmarks/{tool}.py'
    subprocess.run([sys.executable, script, '--out', tmp_path], check=True)
    ratios = json.loads((tmp_path / f'{tool}.json').read_text())['ratios']
    behind = [
        f'{ratio["name"]}: {ratio["value"]:.2f}, limit {ratio["limit"]}'
        for ratio in ratios
        if (
            ratio['value'] > 1.1 * ratio['limit']
            if ratio['at_most']
            else ratio['value'] < 0.9 * ratio['limit']
        )
    ]
    assert ratios and not behind
