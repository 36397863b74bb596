"""Check every promise of docs/reliability.md, at length; exit 1 if one is broken.

    python -m tests.reliability [--images DIR] [--kills 50] [--damaged 450]

Without --images the damaged files are made from the built-in photographs. About 15 minutes on 2
cores.
"""

import argparse
import multiprocessing
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from xml.etree import ElementTree

from mmengine.dataset import DefaultSampler
from PIL import Image

from cmae_mm.datasets import ResumableBatchSampler
from cmae_mm.demo.pictures import ensure_builtin_images

from . import damage, kills, overhead

ROOT = Path(__file__).parents[2]

# promise: its tests
TESTS = {
    '2 exact resume': r'test_resume::.*(exact|epochs_checkpoint)',
    '3 no silent restart': r'test_resume::.*(newest|damaged|pointer|empty_folder|another_kind)',
    '4 another world size': r'test_batch::',
    '5 signals': r'test_resume::.*(signal|accumulated)|quickstart::.*interrupted|slurm|batch_job',
    '6 finite numbers': r'test_finite::',
    '7 bad images': r'test_skipped(_images)?::|test_decode::',
    '8 failures': r'test_failures::|test_errors::',
    '9 untrusted files': r'malicious|meta_data|test_reading::',
    '10 diagnosis': r'test_contrast|test_diagnosis',
}
FILES = (
    'tests/engine',
    'tests/datasets',
    'tests/demo/test_quickstart.py',
    'tests/checkpoints/test_reading.py',
    'tests/tools/test_launch.py',
    'tests/models/losses',
)


class Row:
    """A line of the table: a promise, what was seen, and whether it is kept."""

    def __init__(self, promise: str, kept: bool, seen: str) -> None:
        self.promise, self.kept, self.seen = promise, kept, seen

    def __str__(self) -> str:
        return f'{self.promise:22} {"kept" if self.kept else "BROKEN":7} {self.seen}'


def check_kills(folder: Path, count: int) -> list[Row]:
    """Kill a run, start it again, and compare its end with that of an undisturbed one."""
    found = kills.kill_and_resume(folder, count, epochs=max(1, count // 8))
    kept = found.survived == count and max(found.lost) <= kills.INTERVAL
    same = f'{len(found.differing)} of {found.compared} tensors and numbers differ in the end'
    same = ' '.join([same, *found.differing[:3]])
    return [
        Row('1 atomic checkpoints', kept, found.summary()),
        Row('2 exact resume', not found.differing, f'after {count} kills {same}'),
    ]


def check_damage(sources: list[Path], folder: Path, count: int) -> list[Row]:
    """Read damaged, unusual and refused files."""
    readings = damage.read_all(damage.write_corpus(sources, folder / 'damaged', count))
    print('\n'.join(damage.table(readings)), flush=True)
    results = [reading.result for reading in readings]
    crashed = results.count('crashed')
    seen = (
        f'of {count} damaged files {results.count("read")} read, '
        f'{results.count("skipped")} skipped, {crashed} crashed'
    )
    with Image.open(sources[0]) as image:
        image = image.convert('RGB')
    for kinds in (damage.UNUSUAL, damage.REFUSED):
        for name, make in kinds.items():
            (folder / name).write_bytes(make(image))
    right = damage.read_all([folder / name for name in damage.UNUSUAL])
    refused = damage.read_all([folder / name for name in damage.REFUSED])
    num_right = sum(bool(reading.as_pillow) for reading in right)
    num_refused = sum(reading.result == 'skipped' for reading in refused)
    return [
        Row('7 bad images', not crashed, seen),
        Row(
            '7 unusual images',
            num_right == len(right) and num_refused == len(refused),
            f'{num_right} of {len(right)} kinds read as Pillow does, {num_refused} of '
            f'{len(refused)} refused',
        ),
    ]


def check_skipping(samples: int = 100_000) -> Row:
    """Find the place of a run that has seen many samples."""
    sampler = DefaultSampler(range(1_281_167), shuffle=True, seed=0)
    batches = ResumableBatchSampler(sampler, batch_size=128, endless=True)
    batches.start_at(samples // 128)
    start = time.perf_counter()
    next(iter(batches))
    seconds = time.perf_counter() - start
    return Row('2 resume time', seconds < 5, f'{samples} samples are passed in {seconds:.2f} s')


def check_overhead(images: Path, folder: Path) -> list[Row]:
    """Time checks and checkpoints of a ViT-B."""
    found = overhead.measure(images, folder)
    return [
        Row(
            '1 saving',
            found.stall < 1,
            f'ViT-B, {found.size / 2**30:.1f} GiB: training waits {found.stall:.2f} s, the file is '
            f'on the disk after {found.write:.1f} s',
        ),
        Row(
            '6, 10 overhead',
            found.share < 0.01,
            f'{found.share:.2%} of a ViT-B step of {found.step:.2f} s ({found.precision}, batch '
            f'{overhead.BATCH}): finite numbers {found.finite * 1000:.0f} ms, diagnosis '
            f'{found.diagnosis * 1000:.0f} ms every {found.every} steps',
        ),
    ]


def check_tests(report: Path) -> list[Row]:
    """Run the promises' tests; their outcomes come by way of a report in JUnit's format."""
    command = [sys.executable, '-m', 'pytest', *FILES, '-q', f'--junitxml={report}']
    subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    outcomes = {
        f'{case.get("classname")}::{case.get("name")}': {part.tag for part in case}
        for case in ElementTree.parse(report).iter('testcase')
    }
    rows = []
    for promise, pattern in TESTS.items():
        chosen = {test: parts for test, parts in outcomes.items() if re.search(pattern, test)}
        failed = [test for test, parts in chosen.items() if parts & {'failure', 'error'}]
        skipped = [test for test, parts in chosen.items() if 'skipped' in parts]
        passed = len(chosen) - len(failed) - len(skipped)
        seen = f'{passed} tests passed' + ''.join(f'; FAILED {test}' for test in failed)
        rows.append(Row(promise, passed > 0 and not failed, seen))
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--images', type=Path, help='folder of JPEGs to damage')
    parser.add_argument('--kills', type=int, default=50)
    parser.add_argument('--damaged', type=int, default=450, help='number of damaged files')
    args = parser.parse_args()
    # processes are forked from one that has imported the hosts
    multiprocessing.set_forkserver_preload(['cmae_mm', __package__ + '.kills'])
    start = time.time()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ensure_builtin_images(folder / 'images')
        sources = sorted((args.images or folder / 'images').rglob('*.[jJ][pP]*[gG]'))
        if not sources:
            parser.error(f'no JPEG in {args.images}')
        print(f'killing a run {args.kills} times', flush=True)
        rows = check_kills(folder, args.kills)
        print('reading damaged images', flush=True)
        rows += check_damage(sources, folder, args.damaged)
        rows += [check_skipping(), *check_overhead(sources[0].parent, folder / 'vit-b')]
        print('running the tests of the promises', flush=True)
        rows += check_tests(folder / 'tests.xml')
    rows.sort(key=lambda row: int(re.match(r'\d+', row.promise)[0]))
    print('\n', *rows, f'{time.time() - start:.0f} s', sep='\n')
    return int(not all(row.kept for row in rows))


if __name__ == '__main__':
    sys.exit(main())
