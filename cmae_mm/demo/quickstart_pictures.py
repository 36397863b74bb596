"""The pictures in the quickstart's report."""

from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.runner import set_random_seed
from torch import Tensor

from cmae_mm.evaluation import (
    ClassFolder,
    build_encoder,
    build_pretrained,
    input_shape,
    load_image,
    save_reconstructions,
)
from cmae_mm.pictures import (
    draw_attention,
    draw_curves,
    draw_embedding,
    draw_neighbours,
    embed,
    encode_images,
    read_curves,
    save,
)

from . import report

_ATTENTION_ROWS = 5
_BANK = 1400  # images to search for neighbours
_EMBEDDED = 700


def draw_pictures(cfg: Config, checkpoint: str) -> dict[str, str]:
    """Draw what a run of the quickstart has learned, as PNGs in its work folder.

    Args:
        cfg: of the run.
        checkpoint: its last.

    Returns:
        HTML with a picture each, by heading.
    """
    out = Path(cfg.work_dir)
    images = _one_of_each_class(cfg)
    sections = {
        'Reconstructions': ('reconstructions.png', _draw_reconstructions(cfg, checkpoint, images)),
        **_draw_features(cfg, checkpoint, images[:: -(-len(images) // _ATTENTION_ROWS)]),
        'Losses': ('losses.png', 'Losses in pre-training; the faint line is each logged value.'),
    }
    save(draw_curves({'quickstart': read_curves(out)}), out / 'losses.png')
    return {name: report.picture(out / file, text) for name, (file, text) in sections.items()}


def _one_of_each_class(cfg: Config) -> Tensor:
    """Read the first test picture of each class, uint8 (classes, C, H, W)."""
    channels, height, width = input_shape(cfg)
    folders = sorted(Path(cfg.feature_eval.test).iterdir())
    return torch.stack(
        [load_image(min(folder.iterdir()), (height, width), channels) for folder in folders]
    )


def _draw_reconstructions(cfg: Config, checkpoint: str, images: Tensor) -> str:
    set_random_seed(cfg.randomness.seed)
    model = build_pretrained(cfg, checkpoint)
    save_reconstructions(model, images, Path(cfg.work_dir, 'reconstructions.png'))
    names = sorted(folder.name for folder in Path(cfg.feature_eval.test).iterdir())
    return (
        'Test pictures. Rows: original; what the encoder sees '
        f'({cfg.model.backbone.mask_ratio:.0%} of the patches are hidden); hidden patches '
        'as reconstructed, with the mean and contrast of the true patch, which the model '
        f'does not predict. Columns: {", ".join(names)}.'
    )


def _draw_features(cfg: Config, checkpoint: str, images: Tensor) -> dict[str, tuple[str, str]]:
    """Draw attention, neighbours and embedding; returns files and captions by heading."""
    out, encoder = Path(cfg.work_dir), build_encoder(cfg, checkpoint)
    save(draw_attention(encoder.backbone, images, encoder.normalise(images)), out / 'attention.png')
    channels, height, width = input_shape(cfg)
    train, test = (
        ClassFolder(cfg.feature_eval[split], (height, width), channels)
        for split in ('train', 'test')
    )
    asked = encode_images(encoder, test, _EMBEDDED)
    bank = encode_images(encoder, train, _BANK)
    save(draw_neighbours(asked, bank), out / 'neighbours.png')
    points = embed(asked.features, seed=cfg.randomness.seed)
    save(draw_embedding(points, asked.labels, asked.classes), out / 'embedding.png')
    return {
        'Attention': (
            'attention.png',
            'What the last block attends to, mean over its heads: brighter is more. The class '
            'token sums up the image; A and B are the patches in white frames.',
        ),
        'Nearest neighbours': (
            'neighbours.png',
            f'Test pictures and, of {len(bank.indices)} training pictures, those with the most '
            'similar features (cosine). Blue frame and tick: the same class; orange frame and '
            'cross: another.',
        ),
        'Features in the plane': (
            'embedding.png',
            f'{len(points)} test pictures by t-SNE: pictures with similar features lie close to '
            'each other. The labels colour them; the encoder never saw one.',
        ),
    }
