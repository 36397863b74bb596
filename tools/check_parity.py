#!/usr/bin/env python
"""Compare this package with numbers of released code.

    python tools/check_parity.py FIXTURE.pt

Prints a table of differences; exit status 1 if one is larger than allowed.
"""

import argparse
import sys

import torch

import cmae_mm  # noqa: F401
from cmae_mm.engine.errors import one_line_errors
from cmae_mm.parity import check_parity


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('fixture', help='numbers of the released code, a .pt file')
    args = parser.parse_args()
    with one_line_errors():
        rows = check_parity(torch.load(args.fixture, weights_only=True))
    width = max(len(row.quantity) for row in rows)
    print(f'{"rank":<5}{"quantity":<{width}}  {"difference":>10}  {"allowed":>8}')
    for row in rows:
        verdict = 'ok' if row.passed else 'FAILED'
        print(
            f'{row.rank:<5}{row.quantity:<{width}}  {row.difference:>10.1e}  '
            f'{row.allowed:>8.0e}  {verdict}'
        )
    failed = sum(not row.passed for row in rows)
    print(f'{len(rows) - failed} of {len(rows)} within the allowed difference')
    return int(failed > 0)


if __name__ == '__main__':
    sys.exit(main())
