#!/usr/bin/env python
"""Draw what an encoder has learned, or how runs went, as a PNG.

python tools/visualize.py reconstruction CONFIG CHECKPOINT IMAGES...
python tools/visualize.py attention CONFIG CHECKPOINT IMAGES... [--heads]
python tools/visualize.py embedding CONFIG CHECKPOINT [--images DIR]
python tools/visualize.py neighbours CONFIG CHECKPOINT [--images DIR] [--bank DIR]
python tools/visualize.py overview CONFIG CHECKPOINT [--images DIR] [--bank DIR]
python tools/visualize.py curves WORK_DIR...
"""

import argparse
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmengine.runner import set_random_seed

import cmae_mm  # noqa: F401
from cmae_mm.engine.errors import one_line_errors
from cmae_mm.evaluation import (
    FrozenEncoder,
    build_encoder,
    build_pretrained,
    image_loading,
    input_shape,
    labelled_images,
    load_image,
    require_finite,
    save_reconstructions,
)
from cmae_mm.pictures import (
    EncodedImages,
    draw_attention,
    draw_curves,
    draw_embedding,
    draw_neighbours,
    draw_overview,
    embed,
    encode_images,
    read_curves,
    save,
)
from cmae_mm.pictures.embedding import METHODS


def patch(text: str) -> tuple[int, int]:
    """Parse ROW,COLUMN."""
    row, column = map(int, text.split(','))
    return row, column


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    kinds = parser.add_subparsers(dest='kind', required=True)

    def add_kind(draw, help: str, model: str) -> argparse.ArgumentParser:
        name = draw.__name__.removeprefix('draw_the_')
        kind = kinds.add_parser(name, help=help, description=help)
        kind.set_defaults(draw=draw)
        kind.add_argument('--out', default=f'{name}.png', help='PNG to write')
        if model:
            kind.add_argument('config', help=f'config file with {model}')
            kind.add_argument('checkpoint', help="checkpoint file, or 'none': untrained")
            kind.add_argument('--seed', type=int, default=0, help='of all that is random')
            kind.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
        return kind

    kind = add_kind(draw_the_reconstruction, 'original, masked, reconstructed', 'a CMAE or MAE')
    kind.add_argument('images', nargs='+', help='image files; a column each')
    kind.add_argument(
        '--channels',
        type=int,
        nargs=3,
        default=(0, 1, 2),
        help='drawn in red, green and blue, if there are more than three (default: 0 1 2)',
    )

    encoder = 'a model.backbone'
    kind = add_kind(draw_the_attention, 'what class token and patches attend to', encoder)
    kind.add_argument('images', nargs='+', help='image files; a row each')
    kind.add_argument(
        '--patches', nargs='+', type=patch, metavar='ROW,COLUMN', help='to draw, counted from 0'
    )
    kind.add_argument('--block', type=int, default=-1, help='of the encoder (default: the last)')
    kind.add_argument('--heads', action='store_true', help='draw each head, too')
    kind.add_argument('--size', type=int, help="side of the images (default: the backbone's)")

    kind = add_kind(draw_the_embedding, 'features in the plane, coloured by class', encoder)
    kind.add_argument('--images', help='class folders (default: feature_eval.test of the config)')
    kind.add_argument('--method', choices=METHODS, default='tsne')
    kind.add_argument('--most', type=int, default=2000, help='images to draw')

    def add_search(kind: argparse.ArgumentParser, queries: int, k: int) -> None:
        kind.add_argument('--images', help='class folders (default: feature_eval.test)')
        kind.add_argument('--bank', help='class folders to search (default: feature_eval.train)')
        kind.add_argument('--queries', type=int, default=queries, help='images, of a class each')
        kind.add_argument('--k', type=int, default=k, help='neighbours of each')
        kind.add_argument('--most', type=int, default=5000, help='images to search')

    kind = add_kind(draw_the_neighbours, 'most similar images, classes right or wrong', encoder)
    add_search(kind, queries=8, k=6)
    kind = add_kind(draw_the_overview, 'all of it for a few images, as README has it', 'a CMAE')
    add_search(kind, queries=5, k=4)

    kind = add_kind(draw_the_curves, 'losses and metrics of runs', '')
    kind.add_argument('runs', nargs='+', metavar='WORK_DIR', help='work folders')
    kind.add_argument(
        '--metrics', nargs='+', help="names or patterns, such as 'contrast/*' (default: losses, "
        'probes and validation)'
    )  # fmt: skip
    return parser.parse_args()


def named(checkpoint: str) -> str | None:
    """The checkpoint's path; None for an untrained model."""
    return None if checkpoint == 'none' else checkpoint


def open_encoder(args: argparse.Namespace) -> tuple[Config, FrozenEncoder]:
    MMLogger.get_instance('visualize', log_level='WARNING')
    set_random_seed(args.seed)
    cfg = Config.fromfile(args.config)
    init_default_scope(cfg.get('default_scope', 'mmpretrain'))
    return cfg, build_encoder(cfg, named(args.checkpoint)).to(args.device)


def read(args: argparse.Namespace, cfg: Config, side: int | None = None) -> torch.Tensor:
    channels, *size = input_shape(cfg, side)
    loading = image_loading(cfg)
    return torch.stack([load_image(path, size, channels, loading) for path in args.images])


def encode(
    cfg: Config, encoder: FrozenEncoder, folder: str | None, split: str, most: int, classes=None
) -> EncodedImages:
    folder = folder or cfg.get('feature_eval', {}).get(split)
    if folder is None:
        option = dict(test='--images', train='--bank')[split]
        raise ValueError(f'the config has no feature_eval.{split}: give {option} DIR')
    channels, *size = input_shape(cfg)
    images = labelled_images(folder, size, channels, classes, image_loading(cfg))
    if images.classes is None or images.multi_label:
        raise ValueError(f'{images.name} has no names of classes, one for each image, to draw')
    return encode_images(encoder, images, most)


def draw_the_reconstruction(args: argparse.Namespace) -> str:
    MMLogger.get_instance('visualize', log_level='WARNING')
    cfg = Config.fromfile(args.config)
    init_default_scope(cfg.get('default_scope', 'mmpretrain'))
    model = build_pretrained(cfg, named(args.checkpoint)).to(args.device)
    images = read(args, cfg)
    set_random_seed(args.seed)
    save_reconstructions(model, images.to(args.device), args.out, args.channels)
    return 'rows are original, masked, reconstructed'


def draw_the_attention(args: argparse.Namespace) -> str:
    cfg, encoder = open_encoder(args)
    images = read(args, cfg, args.size)
    require_finite(encoder(images.to(args.device)))
    inputs = encoder.normalise(images.to(args.device))
    figure = draw_attention(encoder.backbone, images, inputs, args.patches, args.block, args.heads)
    save(figure, args.out)
    return 'brighter is more, relative to the maximum of each map'


def draw_the_embedding(args: argparse.Namespace) -> str:
    cfg, encoder = open_encoder(args)
    images = encode(cfg, encoder, args.images, 'test', args.most)
    points = embed(images.features, args.method, args.seed)
    save(draw_embedding(points, images.labels, images.classes), args.out)
    return f'{len(points)} images of {len(images.classes)} classes'


def draw_the_neighbours(args: argparse.Namespace) -> str:
    cfg, encoder = open_encoder(args)
    asked, bank = search(args, cfg, encoder)
    save(draw_neighbours(asked, bank, args.queries, args.k), args.out)
    return f'of {len(bank.indices)} images; blue frames: of the same class'


def search(
    args: argparse.Namespace, cfg: Config, encoder: FrozenEncoder
) -> tuple[EncodedImages, EncodedImages]:
    asked = encode(cfg, encoder, args.images, 'test', args.most)
    return asked, encode(cfg, encoder, args.bank, 'train', args.most, asked.classes)


def draw_the_overview(args: argparse.Namespace) -> str:
    cfg, encoder = open_encoder(args)
    model = build_pretrained(cfg, named(args.checkpoint)).to(args.device)
    asked, bank = search(args, cfg, encoder)
    set_random_seed(args.seed)
    save(draw_overview(model, encoder, asked, bank, args.queries, args.k), args.out)
    return f'neighbours of {len(bank.indices)} images; blue frames: of the same class'


def draw_the_curves(args: argparse.Namespace) -> str:
    runs = {str(Path(run)): read_curves(run) for run in args.runs}
    save(draw_curves(runs, args.metrics), args.out)
    return f'{len(runs)} runs'


def main() -> None:
    args = parse_args()
    with one_line_errors():
        print(f'{args.out}: {args.draw(args)}')


if __name__ == '__main__':
    main()
