#!/usr/bin/env python
"""Convert the encoder of a checkpoint to the names of another program.

    python tools/convert_checkpoint.py CHECKPOINT OUT.pth --to mmseg
    python tools/convert_checkpoint.py mae_pretrain_vit_base.pth OUT.pth
    python tools/convert_checkpoint.py convmae_base.pth OUT.pth
    python tools/convert_checkpoint.py RELEASED.pth OUT.pth --from published

CHECKPOINT may be of this package, mmpretrain, mmsegmentation's MAE, timm, MAE, ViTDet or ConvMAE;
which one is recognised by its names. OUT is a .pth, which all of them read, or a
.safetensors, which mmengine does not. --to:

    cmae        this package: a start of pre-training (--cfg-options load_from=OUT), or of a
                benchmark, init_cfg=dict(type='Pretrained', checkpoint=OUT, prefix='backbone.');
                the default for checkpoints with other names
    mmpretrain  VisionTransformer, without a prefix
    mmseg       mmsegmentation's MAE, init_cfg=dict(type='Pretrained', checkpoint=OUT)
    vitdet      ViT of detectron2 and of mmdetection's projects/ViTDet
    timm        vit_*_patch16
    mae         facebookresearch/mae
    convmae     Alpha-VL/ConvMAE: hybrid encoders, which otherwise 'cmae' and 'mmpretrain' hold

The released CMAE code has the same names as this package, so --from published must be given;
all modules are then converted, unless --to asks for the encoder in other names. The released
networks take BGR normalised with the RGB statistics: by default that is folded into the patch
embedding exactly, so that the result takes RGB like every other encoder.
"""

import argparse

import cmae_mm  # noqa: F401
from cmae_mm.checkpoints import FORMATS, convert_file
from cmae_mm.engine.errors import one_line_errors


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('checkpoint', help='to read: .pth or .safetensors')
    parser.add_argument('output', help='file to write: .pth or .safetensors')
    parser.add_argument('--to', choices=[*FORMATS, 'convmae'], help='names to write')
    parser.add_argument(
        '--from',
        dest='source',
        choices=['published'],
        help='the checkpoint is of the released CMAE code: whole, or its extracted backbone',
    )
    parser.add_argument(
        '--keep-channels',
        action='store_true',
        help='with --from published: do not fold the channel swap; the encoder keeps taking BGR',
    )
    args = parser.parse_args()
    with one_line_errors():
        print(
            convert_file(
                args.checkpoint,
                args.output,
                to=args.to,
                published=args.source == 'published',
                keep_channels=args.keep_channels,
            )
        )


if __name__ == '__main__':
    main()
