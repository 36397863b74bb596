"""What can go wrong with the contrastive loss, provoked on purpose, and how it looks.

The quickstart's training, once as it is and once for each trouble; docs/contrast.md shows the
pictures.
"""

import copy
import io
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import RUNNERS, init_default_scope
from mmengine.runner import find_latest_checkpoint
from mmpretrain.registry import HOOKS
from PIL import Image
from torch import Tensor, nn

from cmae_mm.checkpoints import unwrap
from cmae_mm.engine.errors import require_writable
from cmae_mm.evaluation import build_encoder, evaluate_features, input_shape

from .console import console_to_file
from .stopwatch import Stopwatch

HEALTHY = 'healthy'
_LAYER_NORM = dict(type='LN', eps=1e-6)
# Trouble -> overrides of the quickstart's config; hooks are added to its own.
TROUBLES: dict[str, dict] = {
    # No negatives, no slow target, no comparison within the batch, no predictor to speak of.
    'collapse': {
        'model.head.contrastive': dict(_delete_=True, type='BYOLLoss'),
        'custom_hooks.0.momentum': 0.0,
        'model.neck.projector.norm_cfg': _LAYER_NORM,
        'model.head.predictor': dict(num_layers=1, hid_channels=128, norm_cfg=_LAYER_NORM),
    },
    'false_positives': {'custom_hooks': [dict(type='MismatchHook', share=0.5)]},
    # As many images as in the other runs. The rate follows the batch, as in every config.
    'small_batch': {
        'train_dataloader.batch_size': 8,
        'optim_wrapper.optimizer.lr': 1e-3 * 8 / 64,
        'custom_hooks.1.interval': 20,
    },
}
_DIAGNOSES = 10  # steps from one to the next
_BINS = 26  # of a curve: means over so many parts of a run
_COLORS = ('#4878a8', '#c44e52')  # healthy, trouble


@HOOKS.register_module()
class MismatchHook(Hook):
    """Give a share of the images the target of another image: false positives.

    Args:
        share: of every batch, in [0, 1].
    """

    def __init__(self, share: float) -> None:
        self.share = share

    def before_train(self, runner) -> None:
        unwrap(runner.model).head.contrastive.register_forward_pre_hook(self._mismatch)

    def _mismatch(self, loss: nn.Module, vectors: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        online, target = vectors
        count = round(self.share * len(target))
        return online, torch.cat((target[:count].roll(1, dims=0), target[count:]))


class Run(NamedTuple):
    """A training that has ended.

    Attributes:
        batch: images per step.
        curves: by name of a logged number: (2, K), thousands of images seen and values.
        knn: accuracy of the encoder's frozen features, per cent.
    """

    batch: int
    curves: dict[str, np.ndarray]
    knn: float


def run_troubles(cfg: Config, troubles: list[str]) -> dict[str, dict[str, float]]:
    """Train without trouble and with each, and draw each beside the healthy run.

    Leaves in ``cfg.work_dir`` a folder per run with mmengine's logs and checkpoint, a picture
    per trouble and ``results.json``.

    Args:
        cfg: config of the quickstart.
        troubles: keys of ``TROUBLES``.

    Returns:
        by run: means of all logged numbers over the last epoch, and ``knn`` in per cent.

    Raises:
        OSError: the work folder can't be written.
    """
    require_writable(cfg.work_dir)
    init_default_scope(cfg.default_scope)
    out, timed = Path(cfg.work_dir), Stopwatch(stages=1 + len(troubles))
    runs, results = {}, {}
    for name in (HEALTHY, *troubles):
        run = runs[name] = timed(name, _train, cfg, name, out / name)
        results[name] = {key: _last_epoch(curve, cfg) for key, curve in run.curves.items()}
        results[name]['knn'] = run.knn
        if name != HEALTHY:
            draw_trouble(name, runs[HEALTHY], run, out / f'contrast_{name}.png')
    (out / 'results.json').write_text(json.dumps(results, indent=2) + '\n')
    return results


def trouble_config(base: Config, name: str) -> Config:
    """Return the quickstart's config with a trouble in it.

    Args:
        base: the quickstart's, or one like it.
        name: a key of ``TROUBLES``, or ``HEALTHY``, which changes only how often is logged.
    """
    cfg = copy.deepcopy(base)
    cfg.merge_from_dict({'custom_hooks.1.interval': _DIAGNOSES})
    overrides = copy.deepcopy(TROUBLES.get(name, {}))
    cfg.custom_hooks += overrides.pop('custom_hooks', [])
    cfg.merge_from_dict(overrides)
    cfg.default_hooks.logger.interval = cfg.custom_hooks[1].interval
    return cfg


def _train(base: Config, name: str, folder: Path) -> Run:
    """Train and evaluate; the log goes to the folder alone."""
    cfg = trouble_config(base, name)
    cfg.work_dir = str(folder)
    cfg.experiment_name = folder.name  # else runs of the same second share a log
    with console_to_file(folder):
        runner = RUNNERS.build(cfg)
        runner.train()
        encoder = build_encoder(cfg, find_latest_checkpoint(str(folder)))
        accuracies = evaluate_features(encoder, **cfg.feature_eval, shape=input_shape(cfg))
    batch = cfg.train_dataloader.batch_size
    log = folder / runner.timestamp / 'vis_data' / 'scalars.json'
    return Run(batch, read_curves(log, batch), accuracies['knn'])


def read_curves(log: str | Path, batch: int) -> dict[str, np.ndarray]:
    """Read losses and diagnoses from a training log.

    Args:
        log: ``scalars.json`` of mmengine's local visualisation backend.
        batch: images per step.

    Returns:
        ``loss_rc``, ``loss_ct`` and what the hook logs, without ``contrast/``: each (2, K),
        thousands of images seen and values.
    """
    points: dict[str, list] = {}
    for line in Path(log).read_text().splitlines():
        entry = json.loads(line)
        for key, value in entry.items():
            if key.startswith(('contrast/', 'loss_')):
                seen = entry['step'] * batch / 1000
                points.setdefault(key.removeprefix('contrast/'), []).append((seen, value))
    return {key: np.array(values).T for key, values in points.items()}


def _last_epoch(curve: np.ndarray, cfg: Config) -> float:
    seen, values = curve
    return float(values[seen > seen[-1] * (1 - 1 / cfg.train_cfg.max_epochs)].mean())


def draw_trouble(name: str, healthy: Run, trouble: Run, path: str | Path) -> None:
    """Draw all numbers of a run beside those of a healthy one, as a PNG."""
    figure = Figure(figsize=(10.5, 4.8), layout='constrained')
    axes = figure.subplots(2, 4).flat
    panels = {
        'contrastive loss': ('loss_ct',),
        'alignment': ('alignment',),
        'retrieval accuracy': ('retrieval',),
        'gradient norms': ('gradient_ct', 'gradient_rc'),
        'uniformity': ('uniformity_prediction', 'uniformity_target'),
        'effective rank': ('rank_prediction', 'rank_target'),
        'standard deviation': ('std_prediction', 'std_target'),
    }
    for axis, (title, keys) in zip(axes, panels.items()):
        for run, color in zip((healthy, trouble), _COLORS):
            for key, style in zip(keys, ('-', '--')):
                axis.plot(*_binned(run.curves[key]), style, color=color, lw=1.5)
        axis.set_title(title, fontsize=10)
        axis.tick_params(labelsize=8)
        axis.grid(alpha=0.25)
    axes = figure.axes
    for run, color in zip((healthy, trouble), _COLORS):
        axes[2].axhline(1 / run.batch, color=color, ls=':', lw=1)
        axes[5].axhline(run.batch, color=color, ls=':', lw=1)
    axes[1].set_ylim(0, 2.1)
    axes[2].set_ylim(0, 1.02)
    axes[3].set_yscale('log')
    axes[5].set_ylim(bottom=0)
    axes[6].set_ylim(0, 1.02)
    for axis in axes[3:7]:
        axis.set_xlabel('thousands of images', fontsize=8)
    _explain(axes[7], name, healthy, trouble)
    rendered = io.BytesIO()
    figure.savefig(rendered, dpi=90)
    # few colours: a third of the size
    Image.open(rendered).convert('RGB').quantize(64).save(path, optimize=True)


def _binned(curve: np.ndarray) -> np.ndarray:
    """Means over consecutive parts of a curve, (2, at most _BINS)."""
    parts = np.array_split(curve, min(_BINS, curve.shape[1]), axis=1)
    return np.stack([part.mean(axis=1) for part in parts], axis=1)


def _explain(axis: Axes, name: str, healthy: Run, trouble: Run) -> None:
    """Use an empty panel as the legend."""
    axis.axis('off')
    for label, run, color in zip((HEALTHY, name.replace('_', ' ')), (healthy, trouble), _COLORS):
        axis.plot(
            [], [], color=color, lw=3, label=f'{label}, batch {run.batch}: kNN {run.knn:.1f} %'
        )
    axis.plot([], [], '-', color='0.3', label='of predictions; of loss_ct')
    axis.plot([], [], '--', color='0.3', label='of targets; of loss_rc')
    axis.plot([], [], ':', color='0.3', label='chance; the largest rank')
    axis.legend(loc='center', fontsize=8.5, frameon=False)
