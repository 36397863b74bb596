"""A probe of frozen features while they are trained."""

import logging
import time

import torch
from mmengine.config import Config
from mmengine.dist import all_reduce
from mmengine.hooks import CheckpointHook, Hook, IterTimerHook
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS
from torch import Tensor
from torch.utils.data import Subset

from cmae_mm.checkpoints import unwrap
from cmae_mm.engine.stop_hook import outlive_signals

from .encoder import FrozenEncoder, input_shape, share_encoder
from .features import encode
from .loading import image_loading
from .neighbours import knn_predict
from .online_classifier import OnlineClassifier
from .probe_images import choose_images
from .sharing import gather_rows, own_rows

_STATE = 'feature_probe'  # in a checkpoint


@HOOKS.register_module()
class FeatureProbeHook(Hook):
    """Classify images by the encoder's frozen features, every few epochs.

    kNN, and a linear classifier that is trained on the same features and keeps its weights from
    one probe to the next. Neither touches training: the encoder is shown whole images in evaluation
    mode, without gradients, in a module of its own around the same tensors; no random numbers are
    drawn.

    One line in the log, and in the message hub and the trackers ``probe/knn`` and
    ``probe/linear``, top-1 accuracy in per cent, and ``probe/time``, in seconds.
    ``save_best='probe/knn'`` of the checkpoint hook works. All ranks share the
    images. Checkpoints hold the classifier and its optimiser, apart from the model's.

    Args:
        interval: epochs from one probe to the next; the last is at the end of training. -1: never.
        by_epoch: False counts iterations. A run of iterations has no epoch but its end.
        train: images to learn from: a folder of class folders, or the config of a data set of
            mmpretrain. None: ``feature_eval.train`` of the config or, without ``feature_eval``,
            the folder that is trained on.
        test: images to classify. None: ``feature_eval.test`` if ``train`` comes from there, else
            further images of ``train``.
        max_per_class: of ``train`` and of ``test``, chosen at even distances.
        pooling: 'avg', the mean of the patch tokens or of the feature map, or 'cls'.
        batch_size: images per call of the encoder on each rank.
        num_workers: processes that read images on each rank; None: as many as for training.

    Raises:
        ValueError: an interval of 0; at the start of training, no labels, fewer than two classes,
            or others in ``test``.
        FileNotFoundError: at the start of training, no such folder. One that ``feature_eval``
            names is a warning: training goes on without the probe.
    """

    # before LoggerHook (BELOW_NORMAL) and CheckpointHook (VERY_LOW)
    priority = 55

    def __init__(
        self,
        interval: int = 10,
        by_epoch: bool = True,
        train: str | dict | None = None,
        test: str | dict | None = None,
        max_per_class: int = 50,
        pooling: str = 'avg',
        batch_size: int = 64,
        num_workers: int | None = None,
    ) -> None:
        if interval == 0 or max_per_class < 1:
            raise ValueError(
                f'interval={interval}, max_per_class={max_per_class}: must be at least 1 (interval '
                '-1: never)'
            )
        self.interval = interval
        self.by_epoch = by_epoch
        self.train = train
        self.test = test
        self.max_per_class = max_per_class
        self.pooling = pooling
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.classifier: OnlineClassifier | None = None
        self.state: dict = {}  # of the classifier in the checkpoint that is resumed
        self.unreported: dict[str, float] = {}  # metrics that the checkpoint hook waits for

    def before_train(self, runner: Runner) -> None:
        if self.interval < 0:
            return
        train, test, optional = self._sources(runner)
        shape, loading = input_shape(runner.cfg), image_loading(runner.cfg)
        try:
            self.images = choose_images(train, test, self.max_per_class, shape, loading)
        except (FileNotFoundError, ValueError) as error:
            if not optional:
                raise
            print_log(
                f'no probe of features: {error}; default_hooks.probe.train=DIR and .test=DIR name '
                'others',
                'current',
                logging.WARNING,
            )
            self.interval = -1
            return
        # what does not fit shows now instead of after an epoch
        encoder = share_encoder(unwrap(runner.model), runner.cfg, self.pooling)
        self.width = encoder.width(shape)
        _check_save_best(runner)
        if self.num_workers is None:
            self.num_workers = runner.train_dataloader.num_workers
        self.spent, self.started = 0.0, time.perf_counter()  # seconds

    def _sources(self, runner: Runner) -> tuple[str | dict, str | dict | None, bool]:
        """Return the two sources, and whether the run may do without."""
        if self.train is not None:
            return self.train, self.test, False
        folders: Config | None = runner.cfg.get('feature_eval')
        if folders:
            return folders.train, self.test or folders.get('test'), self.test is None
        root = getattr(runner.train_dataloader.dataset, 'img_prefix', None)
        if root is None:
            raise ValueError(
                'FeatureProbeHook has no images: give train, and test, a folder of class folders '
                'or the config of a data set'
            )
        return root, self.test, False

    def after_train_epoch(self, runner: Runner) -> None:
        if self.by_epoch and (
            self.every_n_epochs(runner, self.interval)
            or (self.interval > 0 and self.is_last_train_epoch(runner))
        ):
            self._probe(runner, f'epoch {runner.epoch + 1}', runner.iter)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None):
        if not self.by_epoch and (
            self.every_n_train_iters(runner, self.interval)
            or (self.interval > 0 and self.is_last_train_iter(runner))
        ):
            self._probe(runner, f'iteration {runner.iter + 1}', runner.iter + 1)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch=None) -> None:
        self._report_to_checkpoints(runner)

    def after_train(self, runner: Runner) -> None:
        self._report_to_checkpoints(runner)

    def _probe(self, runner: Runner, when: str, step: int) -> None:
        start = time.perf_counter()
        metrics = self._evaluate(runner, step)
        end = time.perf_counter()
        self.spent += end - start
        runner.logger.info(
            f'probe at {when}: '
            + '  '.join(f'{name} {value:.1f} %' for name, value in metrics.items())
            + f'  ({end - start:.1f} s; probes have taken '
            f'{self.spent / (end - self.started):.1%} of the time)'
        )
        metrics = {f'probe/{name}': value for name, value in metrics.items()}
        scalars = {**metrics, 'probe/time': end - start}
        runner.message_hub.update_scalars(scalars)
        runner.visualizer.add_scalars(scalars, step=step)
        self.unreported = metrics
        for hook in runner.hooks:
            if isinstance(hook, IterTimerHook):
                hook.before_train_epoch(runner)  # else the next step would seem to wait for data

    def _evaluate(self, runner: Runner, step: int) -> dict[str, float]:
        """Return top-1 accuracies in per cent, by probe; those of all ranks' images."""
        encoder = share_encoder(unwrap(runner.model), runner.cfg, self.pooling)
        dtype = getattr(runner.optim_wrapper, 'cast_dtype', None)
        own, own_labels = self._encode(encoder, dtype, self.images.known)
        known, known_labels = gather_rows(own), gather_rows(own_labels)
        asked, truth = self._encode(encoder, dtype, self.images.asked)
        if not len(known):
            raise ValueError('none of the images that the probe learns from can be read')
        classifier = self._fit(known, known_labels, step)
        predictions = knn_predict(known, known_labels, asked), classifier.predict(asked)
        counts = torch.stack(
            [*((p == truth).sum() for p in predictions), truth.new_tensor(len(truth))]
        )
        all_reduce(counts)
        *right, total = counts.tolist()
        if not total:
            raise ValueError('none of the images that the probe is to classify can be read')
        return {name: 100 * n / total for name, n in zip(('knn', 'linear'), right)}

    def _encode(
        self, encoder: FrozenEncoder, dtype: torch.dtype | None, images: Subset
    ) -> tuple[Tensor, Tensor]:
        """Encode this rank's part of images.

        Returns:
            features, float32 (n, D), and labels, int64 (n,), of those that can be read, on the
            encoder's device.
        """
        device = encoder.data_preprocessor.device
        own = Subset(images, own_rows(len(images)))
        # a rank may have none
        features = [torch.empty(0, self.width, device=device)]
        labels = [torch.empty(0, dtype=torch.int64)]
        with torch.autocast(device.type, dtype=dtype, enabled=dtype is not None):
            for batch, tokens in encode(
                encoder, own, self.batch_size, self.num_workers or 0, start_worker=outlive_signals
            ):
                features.append(encoder.pool(tokens))
                labels.append(batch['gt_label'])
        return torch.cat(features), torch.cat(labels).to(device)

    def _fit(self, features: Tensor, labels: Tensor, seed: int) -> OnlineClassifier:
        if self.classifier is None:
            classes = self.images.classes
            self.classifier = OnlineClassifier(self.width, classes, features.device)
            # of a run with other classes, it starts anew
            if self.state and self.state['linear']['bias'].shape == (classes,):
                self.classifier.load_state_dict(self.state)
        self.classifier.fit(features, labels, seed)
        return self.classifier

    def _report_to_checkpoints(self, runner: Runner) -> None:
        """Let the best checkpoint be saved where a validation would: after the epoch or step."""
        metrics, self.unreported = self.unreported, {}
        if metrics:
            for hook in runner.hooks:
                if isinstance(hook, CheckpointHook) and set(hook.save_best or ()) <= metrics.keys():
                    hook.after_val_epoch(runner, metrics)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        state = self.classifier.state_dict() if self.classifier else self.state
        if state:
            checkpoint[_STATE] = dict(classifier=state, unreported=self.unreported)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if runner._resume and _STATE in checkpoint:
            self.state = checkpoint[_STATE]['classifier']
            self.unreported = checkpoint[_STATE]['unreported']


def _check_save_best(runner: Runner) -> None:
    wanted = {
        key
        for hook in runner.hooks
        if isinstance(hook, CheckpointHook)
        for key in hook.save_best or ()
        if key.startswith('probe/')
    }
    if unknown := wanted - {'probe/knn', 'probe/linear'}:
        raise ValueError(f"save_best={min(unknown)!r}: choose 'probe/knn' or 'probe/linear'")
