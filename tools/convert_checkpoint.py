#!/usr/bin/env python
"""Convert a checkpoint of the released CMAE code to this package's names.

    python tools/convert_checkpoint.py RELEASED.pth OUT.pth

The released networks take BGR normalised with the RGB statistics; by default
that is folded into the patch embedding, exactly, so that the result takes RGB
normalised like everywhere else. The output loads with weights_only=True.
"""

import argparse

import torch

import cmae_mm  # noqa: F401
from cmae_mm.engine.checkpoint import load_state_dict
from cmae_mm.engine.errors import one_line_errors
from cmae_mm.published.checkpoint import convert


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('checkpoint', help='whole, or its extracted backbone')
    parser.add_argument('output', help='file to write')
    parser.add_argument(
        '--keep-channels',
        action='store_true',
        help='do not fold the channel swap: the encoder goes on taking BGR',
    )
    args = parser.parse_args()
    with one_line_errors():
        found = load_state_dict(args.checkpoint)
        converted = convert(found, fold_channels=not args.keep_channels)
        torch.save(dict(state_dict=converted), args.output)
    encoder = sum(name.startswith('backbone.') for name in converted)
    print(
        f'{len(converted)} of {len(found)} tensors carried, {encoder} of them of the '
        f'encoder; it takes {"BGR" if args.keep_channels else "RGB"}: {args.output}'
    )


if __name__ == '__main__':
    main()
