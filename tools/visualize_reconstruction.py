#!/usr/bin/env python
"""Draw images, their masked versions and a model's reconstructions as a PNG.

python tools/visualize_reconstruction.py CONFIG CHECKPOINT IMAGES... [--out x.png]

The same as tools/visualize.py reconstruction.
"""

import runpy
import sys
from pathlib import Path

if __name__ == '__main__':
    sys.argv.insert(1, 'reconstruction')
    runpy.run_path(str(Path(__file__).with_name('visualize.py')), run_name='__main__')
