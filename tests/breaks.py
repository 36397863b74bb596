"""Break the code on purpose, a line at a time, and count which breaks the tests notice.

    python tests/breaks.py [--only WORD ...] [--list]

Each break is made in a copy of what git tracks, where the tests named beside it run until the first
failure; before the first break they must pass. Exit status 1 if a break goes unnoticed, or if its
line is not to be found any more. Each time the tests run in a process forked from one that has
imported the hosts, which would take longer than most of them.
"""

import argparse
import ast
import contextlib
import importlib
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]


class Break(NamedTuple):
    """A line of a file, what it becomes, and the tests that should notice."""

    file: str
    old: str
    new: str
    tests: str

    def fits(self) -> bool:
        """Whether the line is in the file, once."""
        path = ROOT / self.file
        return path.is_file() and path.read_text().count(self.old) == 1

    def parses(self) -> bool:
        """Whether the broken file still is a program: any test notices one that is not."""
        if not self.file.endswith('.py'):
            return True
        try:
            ast.parse((ROOT / self.file).read_text().replace(self.old, self.new))
        except SyntaxError:
            return False
        return True


MODELS = 'tests/models tests/test_views.py'
DATA = 'tests/datasets tests/demo/test_pictures.py tests/configs/test_pretraining_values.py'
VALUES = 'tests/configs/test_pretraining_values.py'
OPTIM = 'tests/engine/test_optim.py tests/engine/test_layer_decay.py'
DOWNSTREAM = (
    'tests/downstream/test_vit.py tests/downstream/test_attention.py '
    'tests/downstream/test_pyramid.py tests/downstream/test_checks.py'
)
TRAIN = 'tests/tools/test_train.py'
WORKER = 'tests/test_worker_views.py'
PARITY = 'tests/parity'
EVALUATION = 'tests/evaluation tests/tools/test_evaluation_tools.py'
CHECKPOINTS = 'tests/checkpoints'
COLLECTION = 'tests/test_collection.py tests/test_main.py'
RESUME = 'tests/engine/test_resume.py'
FINITE = 'tests/engine/test_finite.py'
WAITS = 'tests/engine/test_synchronisation.py'
SKIPPED = 'tests/engine/test_skipped_images.py tests/datasets/test_skipped.py'
SHARDS = 'tests/datasets/test_shards.py tests/datasets/test_shard_sampler.py tests/datasets/test_packing.py'
REMOTE = 'tests/datasets/test_remote_shards.py'
LINEAR = 'tests/cpu/test_linear.py'
CAE_TESTS = 'tests/models/selfsup/test_cae.py'
BLOCK_MASK_TESTS = 'tests/datasets/test_block_mask.py'
TOKENIZER_TESTS = 'tests/models/utils/test_tokenizer.py'
CAE_DATA_TESTS = 'tests/models/utils/test_cae_data_preprocessor.py'
SCALE_TESTS = 'tests/checkpoints/test_layer_scales.py'
ENCODERS = 'tests/demo/test_encoders.py'
PROBE_TESTS = 'tests/evaluation/test_probe_hook.py tests/evaluation/test_encoder.py'
PROBE_IMAGES_TESTS = 'tests/evaluation/test_probe_images.py'
ONLINE_TESTS = 'tests/evaluation/test_online_classifier.py'
OWN_DATA = (
    'tests/datasets/test_tiff.py tests/datasets/test_unlabelled.py tests/datasets/test_statistics.py '
    'tests/datasets/test_master_image.py tests/datasets/test_pack_views.py tests/test_worker_views.py'
)
DIAGNOSIS = 'tests/models/losses/test_diagnosis.py tests/engine/test_contrast_hook.py'

CMAE = 'cmae_mm/models/selfsup/cmae.py'
CAE = 'cmae_mm/models/selfsup/cae.py'
CAE_NECK = 'cmae_mm/models/necks/cae_neck.py'
CAE_PARITY = 'tests/parity/test_cae.py'
BLOCK_MASK = 'cmae_mm/datasets/block_mask.py'
TOKENIZER = 'cmae_mm/models/utils/tokenizer.py'
CAE_DATA = 'cmae_mm/models/utils/cae_data_preprocessor.py'
SCALES = 'cmae_mm/checkpoints/layer_scales.py'
CONTRAST_HOOK = 'cmae_mm/engine/contrast_hook.py'
PROBE_HOOK = 'cmae_mm/evaluation/probe_hook.py'
PROBE_IMAGES = 'cmae_mm/evaluation/probe_images.py'
ONLINE = 'cmae_mm/evaluation/online_classifier.py'
VIEWS = 'cmae_mm/views.py'
MASTER_IMAGE = 'cmae_mm/datasets/master_image.py'
VIEW_PARAMETERS = 'cmae_mm/datasets/view_parameters.py'
PACK_VIEWS = 'cmae_mm/datasets/pack_views.py'
DECODE = 'cmae_mm/datasets/decode.py'
TIFF = 'cmae_mm/datasets/tiff.py'
PAPER_MODEL = 'configs/_base_/models/cmae_vit-base-p16.py'
PAPER_DATA = 'configs/_base_/datasets/imagenet_cmae.py'
SCHEDULE = 'configs/_base_/schedules/adamw_coslr_300e.py'

BREAKS = [
    # the probe while it trains
    Break('cmae_mm/evaluation/features.py', "        generator=torch.Generator(),  # else the loader draws from torch's own\n", '', PROBE_TESTS),
    Break(PROBE_HOOK, 'gather_rows(own), gather_rows(own_labels)', 'own, own_labels', PROBE_TESTS),
    Break(PROBE_HOOK, '        all_reduce(counts)\n', '', PROBE_TESTS),
    Break(PROBE_HOOK, '[torch.empty(0, self.width, device=device)]', '[]', PROBE_TESTS),
    Break(PROBE_HOOK, 'own_rows(len(images))', 'range(len(images))', PROBE_TESTS),
    Break(PROBE_HOOK, ', loading)', ')', 'tests/configs/test_own_data.py'),
    Break(PROBE_HOOK, "checkpoint[_STATE]['classifier']", '{}', PROBE_TESTS),
    Break(PROBE_HOOK, "checkpoint[_STATE]['unreported']", '{}', PROBE_TESTS),
    Break(PROBE_HOOK, 'runner.visualizer.add_scalars(scalars, step=step)', 'pass', PROBE_TESTS),
    Break(PROBE_HOOK, "runner.iter + 1}', runner.iter + 1)", "runner.iter + 1}', 0)", PROBE_TESTS),
    Break(PROBE_HOOK, 'self._report_to_checkpoints(runner)\n\n    def after_train(', 'pass\n\n    def after_train(', PROBE_TESTS),
    Break(PROBE_HOOK, 'hook.before_train_epoch(runner)', 'pass', PROBE_TESTS),
    Break(PROBE_HOOK, 'if not optional:', 'if True:', PROBE_TESTS),
    Break(PROBE_IMAGES, 'channels, images.classes, loading)', 'channels, None, loading)', PROBE_IMAGES_TESTS),
    Break(PROBE_IMAGES, 'known, asked = spread(labels, per_class, parts=2)', '(known,) = (asked,) = spread(labels, per_class)', PROBE_TESTS),
    Break('cmae_mm/engine/checkpoint_hook.py', ", 'probe/')", ',)', PROBE_TESTS),
    Break('cmae_mm/evaluation/encoder.py', 'copy.deepcopy(model.data_preprocessor)', 'model.data_preprocessor', PROBE_TESTS),
    Break('cmae_mm/evaluation/encoder.py', 'in backbone.state_dict()}, assign=True)', "in backbone.state_dict()}, assign=True); backbone.to_empty(device='cpu')", PROBE_TESTS),
    Break(PROBE_IMAGES, 'torch.arange(count) * len(group) // count', 'torch.arange(count)', PROBE_IMAGES_TESTS),
    Break(PROBE_IMAGES, 'if images.multi_label:', 'if False:', PROBE_IMAGES_TESTS),
    Break('cmae_mm/evaluation/images.py', 'if used > len(images.classes):', 'if False:', PROBE_IMAGES_TESTS),
    Break('cmae_mm/evaluation/images.py', 'except TypeError:', 'except OSError:', PROBE_IMAGES_TESTS),
    Break(ONLINE, ' / (self.deviation + 1e-6)', '', ONLINE_TESTS),
    Break(ONLINE, "        self.optimizer.load_state_dict(state['optimizer'])\n", '', ONLINE_TESTS),
    Break(ONLINE, '.manual_seed(seed)', '.manual_seed(0)', ONLINE_TESTS),
    Break('cmae_mm/models/backbones/conv_patch_embed.py', 'x.new_zeros(', 'x.new_ones(', MODELS),
    Break('cmae_mm/models/backbones/hybrid.py', 'select(positions, visible)', 'positions[:, : visible.shape[1]]', MODELS),
    # that went unnoticed once
    Break(CMAE, 'self.head.loss(pixels, online_view', 'self.head.loss(pixels, target_view', MODELS),
    Break(CMAE, '= self.backbone.encode(online_view)', '= self.backbone.encode(target_view)', MODELS),
    Break(MASTER_IMAGE, "mode='bicubic', antialias=True", "mode='bicubic', antialias=False", DATA),
    Break(VIEW_PARAMETERS, 'uniform(-most, most)', 'uniform(0, most / 4)', DATA),
    Break('cmae_mm/parity/config.py', ' * 2 * temperature', '', PARITY),
    Break(
        'cmae_mm/models/backbones/cmae_vit.py',
        '        nn.init.xavier_uniform_(self.patch_embed.projection.weight.flatten(1))\n',
        '',
        MODELS,
    ),
    Break('cmae_mm/downstream/pyramid.py', 'nn.GELU()', 'nn.ReLU()', DOWNSTREAM),
    Break('cmae_mm/downstream/pyramid.py', 'nn.MaxPool2d(2)', 'nn.AvgPool2d(2)', DOWNSTREAM),
    Break('cmae_mm/downstream/vit.py', 'self.drop_after_pos(x)', 'x', DOWNSTREAM),
    Break('cmae_mm/engine/precision.py', 'OptimWrapper.optim_context(self, model), cast', 'cast', OPTIM),
    Break(PAPER_MODEL, 'temperature=0.07', 'temperature=0.7', VALUES),
    Break(PAPER_MODEL, 'momentum=0.996', 'momentum=0.5', VALUES),
    Break(PAPER_MODEL, 'norm_pix=True', 'norm_pix=False', VALUES),
    Break(SCHEDULE, 'lr=2.4e-3', 'lr=0.24', VALUES),
    Break(SCHEDULE, 'betas=(0.9, 0.95)', 'betas=(0.9, 0.5)', VALUES),
    Break(PAPER_DATA, '[123.675, 116.28, 103.53]', '[103.53, 116.28, 123.675]', VALUES),
    Break(PAPER_DATA, 'crop_ratio_range=(0.2, 1.0)', 'crop_ratio_range=(0.9, 1.0)', VALUES),
    Break(PAPER_DATA, 'max_shift=30', 'max_shift=3', VALUES),
    Break('tools/train.py', 'cfg.auto_scale_lr.enable = True', 'pass', TRAIN),
    Break('tools/train.py', "cfg.optim_wrapper.dtype = 'float16'", 'pass', TRAIN),
    Break('tools/train.py', 'cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None', 'pass', TRAIN),
    # the method
    Break('cmae_mm/models/utils/masking.py', 'mask=(rank >= self.num_keep)', 'mask=(rank > self.num_keep)', MODELS),
    Break('cmae_mm/models/utils/masking.py', '(1 - ratio) + 1e-6)', '(1 - ratio))', MODELS),
    Break('cmae_mm/models/utils/momentum.py', 'self.onlines, 1 - momentum)', 'self.onlines, momentum)', MODELS),
    Break('cmae_mm/models/losses/contrastive.py', 'labels + len(online) * get_rank()', 'labels', MODELS),
    Break('cmae_mm/models/losses/contrastive.py', '/ self.temperature', '', MODELS),
    Break('cmae_mm/models/necks/cmae_decoders.py', 'last(x)[:, 0 if with_class_token else extra :]', 'last(x)[:, :-1]', MODELS + ' ' + PARITY),
    Break('cmae_mm/models/necks/cmae_decoders.py', 'last(x, patches + extra)', 'last(x, patches)', MODELS),
    Break('cmae_mm/models/necks/cmae_decoders.py', ' + self.decoder_pos_embed', '', MODELS + ' ' + PARITY),
    Break('cmae_mm/models/heads/reconstruction_head.py', '(var + 1e-6).sqrt() + mean', 'var + mean', MODELS),
    Break(CMAE, 'tokens[:, self.target_backbone.num_extra_tokens :].mean(dim=1)', 'tokens.mean(dim=1)', MODELS),
    Break(CMAE, 'self.update_target(momentum=0.0)', 'pass', MODELS),
    Break('cmae_mm/models/backbones/cmae_vit.py', 'self.pos_embed.requires_grad = False', 'pass', MODELS),
    Break('cmae_mm/models/utils/position_embedding.py', 'grid[::-1]', 'grid', MODELS),
    Break(CMAE, 'ids_restore, removed_patches(patch_mask))', 'ids_restore, patch_mask.ids_restore[:, : -patch_mask.ids_keep.shape[1]])', MODELS),
    Break('cmae_mm/models/utils/encoder_layer.py', 'ctx.product(rows.T, F.gelu(x)', 'ctx.product(rows.T, F.relu(x)', MODELS),
    Break('cmae_mm/models/utils/encoder_layer.py', 'and not any(dropout.p for dropout in dropouts)', '', MODELS),
    Break('cmae_mm/models/utils/encoder_layer.py', 'layer.ffn.__class__ = FeedForward', 'pass', MODELS),
    Break('cmae_mm/models/utils/encoder_layer.py', 'q = select(q, queries)', 'q = q[:, : queries.shape[1]]', MODELS),
    Break('cmae_mm/cpu/attention.py', 'not dropout_p and ', '', 'tests/cpu/test_attention.py'),
    Break('cmae_mm/cpu/attention.py', 'p = kept[0] if kept', 'p = 2 * kept[0] if kept', 'tests/cpu/test_attention.py'),
    Break('cmae_mm/cpu/attention.py', 'dropout_p=dropout_p, scale=scale)', 'dropout_p=dropout_p)', 'tests/cpu/test_attention.py'),
    Break('cmae_mm/cpu/attention.py', 'grad_logits *= ctx.scale', 'grad_logits *= q.shape[-1] ** -0.5', 'tests/cpu/test_attention.py'),
    Break('cmae_mm/cpu/attention.py', 'setattr(module, name, attend)', 'pass', 'tests/cpu/test_attention.py'),
    Break('cmae_mm/engine/runner.py', '        use_fastest_layers(model)\n', '', 'tests/cpu/test_layers.py'),
    Break(VIEWS, 'arange(5, 0, -2', 'arange(1, 6, 2', MODELS),
    Break(VIEWS, 'int(3 * sigma.max()', 'int(1 * sigma.max()', MODELS),
    Break(VIEWS, 'pixels.mean(dim=2, keepdim=True)', 'pixels.mean(dim=(0, 2), keepdim=True)[0]', MODELS),
    Break(VIEWS, 'places[:3] > places[3]', 'places[:3] > 1', MODELS),
    Break(VIEWS, 'jitter.T.gather(0, others)', 'jitter.T[:3]', MODELS),
    Break(VIEWS, '!= unchanged).any()]', '!= unchanged).all()]', MODELS),
    Break(VIEWS, 'gray_weights[:, None], torch', 'gray_weights.flip(1)[:, None], torch', MODELS),
    Break(VIEWS, 'else torch.float16', 'else torch.float32', MODELS),
    Break(VIEWS, 'clamp_(0, 255).view_as', 'view_as', MODELS),
    Break(VIEWS, 'self.gray.any() or self.blur.any()', 'self.gray.any()', MODELS),
    Break('cmae_mm/models/utils/data_preprocessor.py', '-self.mean / self.std', '-self.mean / self.mean', DATA),
    # the context autoencoder
    Break(CAE, 'images, inverted(patch_mask))', 'images, patch_mask)', CAE_TESTS),
    Break(CAE, 'with torch.no_grad():', 'with torch.enable_grad():', CAE_PARITY),
    Break(CAE, 'self.alignment_weight * F.mse', 'F.mse', CAE_TESTS),
    Break(CAE, '(prediction, target, patch_mask)', '(prediction, target, inverted(patch_mask))', CAE_TESTS),
    Break(CAE, 'start_targets_from_online(self', 'len(self.__dict__', CAE_TESTS),
    Break(CAE, "init_truncated(tensor)", 'pass', CAE_TESTS),
    Break(CAE_NECK, 'latent + pos_removed', 'latent', CAE_PARITY),
    Break(CAE_NECK, 'torch.cat((visible, x), dim=1), pos', 'torch.cat((x, visible), dim=1), pos', CAE_PARITY),
    Break(CAE_NECK, 'self.encoder_to_decoder_norm(self.encoder_to_decoder(tokens))', 'self.encoder_to_decoder(tokens)', CAE_PARITY),
    Break('cmae_mm/models/utils/cross_attention.py', 'self.v(v)', 'self.v(k)', CAE_PARITY),
    Break('cmae_mm/models/utils/initialisation.py', '(2 * depth) ** 0.5', 'depth**0.5', CAE_TESTS),
    Break('cmae_mm/models/heads/token_head.py', 'removed_patches(patch_mask)', 'patch_mask.ids_keep', CAE_PARITY),
    Break('cmae_mm/models/utils/masking.py', 'argsort(dim=1, stable=True)\n    return PatchMask(removed', 'argsort(dim=1, stable=True, descending=True)\n    return PatchMask(removed', MODELS),
    Break('cmae_mm/models/utils/masking.py', 'PatchMask(1 - patch_mask.mask', 'PatchMask(patch_mask.mask', MODELS),
    Break(BLOCK_MASK, 'randint(self.height - height + 1)', 'randint(self.height - height)', BLOCK_MASK_TESTS),
    Break(BLOCK_MASK, 'randint(self.width - width + 1)', 'randint(self.width - width)', BLOCK_MASK_TESTS),
    Break(BLOCK_MASK, '0 < added <= max_mask_patches', '0 < added', BLOCK_MASK_TESTS),
    Break(TOKENIZER, 'self.requires_grad_(False)', 'pass', TOKENIZER_TESTS),
    Break(TOKENIZER, 'tensors.pop(prefix + name, None)', 'pass', TOKENIZER_TESTS),
    Break(CAE_DATA, '.clamp(0, 255)', '', CAE_DATA_TESTS),
    Break(CAE_DATA, 'torch.addcmul(self.mean, small, self.std)', 'small', CAE_DATA_TESTS),
    Break(VIEWS, '/ max(scale, 1)', '', CAE_DATA_TESTS),
    Break(SCALES, 'scale.unsqueeze(1)', 'scale', SCALE_TESTS),
    Break(SCALES, "] = bias * scale", '] = bias', SCALE_TESTS),
    Break('cmae_mm/checkpoints/encoder.py', 'fold_layer_scales(stored, kept=expected)', 'fold_layer_scales(stored)', SCALE_TESTS),
    Break('cmae_mm/checkpoints/formats.py', 'fold_layer_scales(found)', 'found', SCALE_TESTS),
    # its data
    Break('cmae_mm/worker_views.py', 'round(turns * 256) % 256', 'round(turns * 180) % 256', WORKER),
    Break('cmae_mm/worker_views.py', 'np.dot(means, LUMA)', 'np.mean(means)', WORKER),
    Break('cmae_mm/worker_views.py', 'for op in order:', 'for op in range(4):', WORKER),
    Break('cmae_mm/worker_views.py', 'np.tile(np.float32(gray_weights), (3, 1))', 'np.tile(np.float32(LUMA), (3, 1))', WORKER),
    Break('cmae_mm/worker_views.py', 'borderType=cv2.BORDER_REPLICATE', 'borderType=cv2.BORDER_CONSTANT', WORKER),
    Break(PACK_VIEWS, "own.get(f'{name}_master', master)", 'master', DATA),
    Break(PACK_VIEWS, 'cv2.flip(image[:, ::-1], 1)', 'image[:, ::-1]', DATA),
    Break(MASTER_IMAGE, 'type(crop) is MasterCrop', 'isinstance(crop, MasterCrop)', DATA),
    Break(DECODE, 'OVERSAMPLING = 3', 'OVERSAMPLING = 1', DATA),
    Break(DECODE, 'if self.turned:', 'if False:', DATA),
    Break(DECODE, 'size[::-1] if orientation >= 5', 'size[::-1] if orientation >= 6', DATA),
    Break(DECODE, 'is_exif and orientation is None', 'is_exif', DATA),
    Break('cmae_mm/datasets/sampling.py', '(self.seed, self.epoch, index)', '(self.seed, index)', DATA),
    Break('cmae_mm/datasets/seeding.py', 'np.random.set_state(states[1])', 'pass', DATA),
    Break('cmae_mm/datasets/folder.py', 'entry.name.lower().endswith', 'entry.name.endswith', DATA),
    Break(DECODE, ' | cv2.IMREAD_ANYDEPTH', '', DATA),
    Break(DECODE, 'size[0] * size[1] > max_pixels', 'size[0] * size[1] >= max_pixels', DATA),
    Break(DECODE, 'cv2.COLOR_BGR2RGB', 'cv2.COLOR_RGB2RGBA', DATA),
    Break('cmae_mm/demo/pictures.py', "number, split == 'test'", 'number, False', DATA),
    Break(VIEW_PARAMETERS, 'random.randint(0, self.max_shift), random', 'random.randrange(self.max_shift), random', DATA),
    Break(MASTER_IMAGE, 'random.random() < self.prob', 'random.random() > self.prob', DATA),
    Break(MASTER_IMAGE, "and '://' not in path", '', DATA),
    Break(DECODE, 'flag in (cv2.IMREAD_COLOR, cv2.IMREAD_UNCHANGED)', 'flag == cv2.IMREAD_UNCHANGED', DATA),
    # the run
    Break('cmae_mm/checkpoints/reading.py', "raise _RefusedError(f'{module}.{name}')", 'pass', CHECKPOINTS),
    Break('cmae_mm/checkpoints/encoder.py', "here, 'bicubic', extra", "here, 'bilinear', extra", CHECKPOINTS),
    Break('cmae_mm/checkpoints/encoder.py', 'resized[:, extra - encoder.num_extra_tokens :]', 'resized', CHECKPOINTS),
    Break('cmae_mm/engine/start.py', 'path, runner.model, whole=True', 'path, runner.model, whole=False', TRAIN),
    Break('cmae_mm/engine/config.py', 'loader.persistent_workers = False', 'pass', 'tests/engine/test_config.py'),
    Break('cmae_mm/engine/optim_constructors.py', "for p in group['params'] if p.requires_grad]", "for p in group['params']]", OPTIM),
    Break('cmae_mm/engine/precision.py', "state_dict.get('loss_scaler') == {}", 'False', OPTIM),
    Break('cmae_mm/engine/momentum_hook.py', 'not completes_step(runner.optim_wrapper)', 'False', 'tests/engine/test_momentum_hook.py'),
    Break('cmae_mm/engine/progress.py', 'batch_size * get_world_size()', 'batch_size', 'tests/engine/test_progress.py'),
    Break('cmae_mm/engine/ranks.py', 'revert_sync_batchnorm(module),', 'module,', 'tests/engine/test_ranks.py'),
    Break('cmae_mm/engine/errors.py', 'if not _is_users(error):', 'if False:', 'tests/engine/test_errors.py'),
    Break('cmae_mm/engine/console.py', "return _is_own(speaker) and speaker", "return speaker", 'tests/engine/test_console.py'),
    Break('cmae_mm/engine/console.py', 'logging.WARNING if _is_own(_speaker()) else logging.INFO', 'logging.INFO', 'tests/engine/test_console.py'),
    Break('cmae_mm/engine/console.py', '    finally:\n        LiveLine.close_all()', '    finally:', 'tests/engine/test_console.py'),
    Break('cmae_mm/engine/console.py', 'if len(line) <= width:', 'if True:', 'tests/engine/test_console.py'),
    Break('cmae_mm/engine/summary_hook.py', 'if len(history) > self.seen.get(name, 0)', 'if history.size', 'tests/engine/test_console.py'),
    Break('cmae_mm/engine/errors.py', 'bool(_LOST_PEER.search(message))', 'False', 'tests/tools/test_launch_report.py'),
    Break('tools/launch.py', 'errors.setdefault(error, []).append(rank)', 'errors[error] = [rank]', 'tests/tools/test_launch_report.py'),
    Break('tools/dist_launch.sh', '[ -z "${NODE_RANK:-}" ] ||', 'false ||', 'tests/tools/test_launch.py'),
    Break('cmae_mm/models/utils/plain.py', 'issubclass(encoder, VisionTransformer) and takes_mask(encoder)', 'False', EVALUATION + ' ' + MODELS),
    Break('cmae_mm/models/utils/build.py', "'data_preprocessor': cfg.get('data_preprocessor'), ", '', EVALUATION),
    Break('cmae_mm/checkpoints/names.py', "naming, tensors), tuple(patch_size)", "naming, tensors) + 1, tuple(patch_size)", CHECKPOINTS),
    # what is said of its contrast
    Break('cmae_mm/models/losses/diagnosis.py', '.mul(-2)', '.mul(-1)', DIAGNOSIS),
    Break('cmae_mm/models/losses/diagnosis.py', 'own > others', 'own >= others', DIAGNOSIS),
    Break('cmae_mm/models/losses/diagnosis.py', '@ _unit(target).T', '@ _unit(prediction).T', DIAGNOSIS),
    Break('cmae_mm/models/losses/diagnosis.py', 'svdvals(_unit(vectors))', 'svdvals(vectors)', DIAGNOSIS),
    Break('cmae_mm/models/losses/diagnosis.py', 'correction=0', 'correction=1', DIAGNOSIS),
    Break(CONTRAST_HOOK, ') / factor.square()', ')', DIAGNOSIS),
    Break(CONTRAST_HOOK, 'self.seen.get(name, 0) + square', 'square', DIAGNOSIS),
    Break(CONTRAST_HOOK, 'squares.sqrt() / get_world_size()', 'squares.sqrt()', DIAGNOSIS),
    Break(CONTRAST_HOOK, 'torch.cat(all_gather(vectors.float()))', 'vectors.float()', DIAGNOSIS),
    Break(CONTRAST_HOOK, 'handle.remove()', 'pass', DIAGNOSIS),
    Break(CONTRAST_HOOK, "pixel_decoder.register_full_backward_hook(partial(self._see_gradient, 'gradient_rc'))", "feature_decoder.register_full_backward_hook(partial(self._see_gradient, 'gradient_rc'))", DIAGNOSIS),
    Break(CONTRAST_HOOK, 'numbers = torch.stack', 'torch.rand(1); numbers = torch.stack', DIAGNOSIS),
    Break(CONTRAST_HOOK, "f'contrast/{name}': number", "f'train/contrast/{name}': number", DIAGNOSIS),
    Break(PAPER_MODEL, 'interval=50', 'interval=1', VALUES),
    Break('cmae_mm/demo/contrast.py', '.roll(1, dims=0)', '', 'tests/demo/test_contrast.py'),
    # a run that survives
    Break('cmae_mm/engine/loops.py', 'self.dataloader.batch_sampler.start_at(start)', 'pass', RESUME),
    Break('cmae_mm/engine/loops.py', 'start_at(self.batch_in_epoch)', 'start_at(0)', RESUME),
    Break('cmae_mm/engine/loops.py', 'seed_step(base_seed(self.runner), self._iter,', 'seed_step(base_seed(self.runner), 0,', RESUME),
    Break('cmae_mm/datasets/sampling.py', 'position * world + rank', 'position', 'tests/datasets/test_sampling.py'),
    Break('cmae_mm/checkpoints/writing.py', '        os.replace(temporary, path)\n', '        shutil.copy(temporary, path)\n', CHECKPOINTS),
    Break('cmae_mm/engine/checkpoint_hook.py', 'runner.writer.submit(point_at, runner.work_dir, self.last_ckpt)', 'pass', RESUME),
    Break('cmae_mm/engine/checkpoint_hook.py', '        runner.writer.check()\n', '', 'tests/engine/test_failures.py'),
    Break('cmae_mm/engine/resume.py', "if 'config' in summary.meta and not trusting", 'if False', RESUME),
    Break('cmae_mm/engine/loading.py', 'hosts if trusting else own', 'hosts', RESUME),
    Break('cmae_mm/engine/stop_hook.py', 'runner.save_interrupted()', 'pass', RESUME),
    Break('cmae_mm/engine/stop_hook.py', 'self.agreement.exchange([wanted])', '[wanted]', RESUME),
    Break('cmae_mm/engine/batch.py', 'position.batch_in_epoch * old.images // new.images', 'position.batch_in_epoch', 'tests/engine/test_batch.py'),
    Break('cmae_mm/engine/batch.py', 'group.update(settings)', 'pass', 'tests/engine/test_batch.py'),
    Break('cmae_mm/engine/finite_steps.py', "            all_reduce(left_out, 'max')\n", '            pass\n', FINITE),
    Break('cmae_mm/engine/finite_steps.py', 'torch.maximum(self.own, _not_finite(norms.sum()))', 'self.own', FINITE),
    Break('cmae_mm/engine/finite_steps.py', 'tensor.copy_(torch.where(left_out.bool(), old, tensor))', 'pass', FINITE),
    Break('cmae_mm/engine/finite_hook.py', 'self.in_a_row + 1 if left_out else 0', 'self.in_a_row + left_out', FINITE),
    Break('cmae_mm/engine/skipped_images_hook.py', 'self.max_share * length * epochs', 'self.max_share * length', SKIPPED),
    Break('cmae_mm/datasets/skipped.py', 'replaced=attempt > 0', 'replaced=False', SKIPPED),
    Break('cmae_mm/datasets/skipped.py', '.share_memory_()', '', SKIPPED),
    Break('cmae_mm/datasets/shard_sampler.py', 'in draw.permutation(len(sizes))', 'in range(len(sizes))', SHARDS),
    Break('cmae_mm/datasets/shard_sampler.py', '(start + end) // 2 : end] = visited[end]', '(start + end) // 2 : end] = visited[start]', SHARDS),
    Break('cmae_mm/datasets/shards.py', 'header.size != size or ', '', SHARDS),
    Break('cmae_mm/datasets/shard_storage.py', 'found != shard.num_bytes', "found == 'no'", SHARDS),
    Break('cmae_mm/datasets/packing.py', "smaller = smaller.convert('L')", 'pass', SHARDS),
    Break('cmae_mm/datasets/packing.py', 'load = LoadImage() if load is None else load', 'load = LoadImage()', SHARDS),
    Break('cmae_mm/datasets/packing.py', " or load.dtype != 'uint8'", '', SHARDS),
    Break('cmae_mm/datasets/packing.py', "member.name += '.jpg'", 'pass', SHARDS),
    Break('cmae_mm/datasets/remote_shards.py', 'used + num_bytes <= self.max_bytes', 'used <= self.max_bytes', REMOTE),
    Break('cmae_mm/datasets/remote_shards.py', 'hashlib.sha256(content)', 'hashlib.sha256(url.encode())', REMOTE),
    Break('cmae_mm/datasets/remote_shards.py', ".rpartition('@')[2]", '', REMOTE),
    Break('cmae_mm/datasets/remote_shards.py', 'os.utime(file.fileno(), ns=(time.time_ns(),) * 2)', 'pass', REMOTE),
    Break('cmae_mm/datasets/seeded_dataset.py', 'self._inner.expect(index)', 'pass', REMOTE),
    Break('cmae_mm/engine/snapshot.py', '.copy_(value.detach())', '', 'tests/engine/test_snapshot.py'),
    Break('cmae_mm/engine/runner.py', 'fresh.replay(here)', 'pass', 'tests/engine/test_batch.py'),
    Break('cmae_mm/engine/checkpoint_hook.py', 'runner.prepare_checkpoints(self.save_optimizer)', 'pass', 'tests/engine/test_snapshot.py'),
    Break('cmae_mm/engine/message_hub.py', 'isinstance(value, Tensor) and key in self._log_scalars', 'False', WAITS),
    Break('cmae_mm/engine/precision.py', "            self.clip_func = self._clip_norm\n", '            pass\n', WAITS),
    Break(VIEWS, '(places).to(images, non_blocking=True)', '(places).to(images)', WAITS),
    Break('cmae_mm/models/utils/micro_batches.py', 'checkpoint(function, part, use_reentrant=False)', 'function(part)', 'tests/models/utils/test_micro_batches.py'),
    Break('cmae_mm/models/utils/micro_batches.py', 'torch.clear_autocast_cache()', 'pass', 'tests/models/utils/test_micro_batches.py'),
    Break('cmae_mm/engine/activation_checkpointing.py', 'partial(checkpoint, module.forward, use_reentrant=False)', 'module.forward', 'tests/engine/test_activation_checkpointing.py'),
    Break('cmae_mm/models/backbones/cmae_vit.py', 'module.drop_prob = float(module.drop_prob)', 'pass', 'tests/engine/test_compile.py'),
    Break('cmae_mm/engine/compilation.py', 'layer.compile(dynamic=False)', 'pass', 'tests/engine/test_compile.py'),
    Break('cmae_mm/engine/compilation.py', 'if not layers:', 'if False:', 'tests/engine/test_compile.py'),
    Break('cmae_mm/engine/compilation.py', '.cache_size_limit, 64)', '.cache_size_limit, 8)', 'tests/engine/test_compile.py'),
    Break('cmae_mm/engine/runner.py', 'compile_layers(unwrap(self.model))', 'pass', 'tests/engine/test_compile.py'),
    Break('cmae_mm/evaluation/feature_file.py', "digest.update(f'{name} {heads}'.encode())", 'pass', 'tests/evaluation/test_feature_file.py'),
    Break('cmae_mm/evaluation/feature_file.py', ', **dict(encoder.named_buffers())', '', 'tests/evaluation/test_feature_file.py'),
    Break('cmae_mm/evaluation/evaluate.py', 'sorted((loading or {}).items())', '()', 'tests/evaluation/test_evaluate.py'),
    Break('cmae_mm/evaluation/evaluate.py', 'require_finite(of_all.mean)', 'pass', 'tests/evaluation/test_evaluate.py'),
    Break('cmae_mm/models/losses/queue.py', 'torch.where(finite, targets, self.queue[positions])', 'targets', 'tests/models/losses/test_queue.py'),
    Break('cmae_mm/evaluation/probe_hook.py', '        _check_save_best(runner)\n', '', PROBE_TESTS),
    Break('cmae_mm/evaluation/features.py', 'if len(readable) < len(rows):', 'if False:', 'tests/evaluation/test_evaluate.py'),
    Break('cmae_mm/checkpoints/model.py', 'tensors = _fold_scales(encoder, tensors, model.state_dict())', 'pass', 'tests/checkpoints/test_layer_scales.py'),
    Break('cmae_mm/checkpoints/model.py', 'if all(depths) and depths[0] != depths[1]:', 'if False:', 'tests/checkpoints/test_layer_scales.py'),
    Break('cmae_mm/checkpoints/encoder.py', 'if side**2 == patches == here[0] * here[1] and', 'if False and', 'tests/checkpoints/test_encoder.py'),
    Break('cmae_mm/checkpoints/conversion.py', 'Path(target).samefile(source):', 'False:', 'tests/checkpoints/test_formats.py'),
    Break('cmae_mm/datasets/annotations.py', 'if any(map(_seems_labelled, fields)):', 'if False:', 'tests/datasets/test_packing.py'),
    Break('cmae_mm/downstream/checks.py', '_require_one_byte(path)\n        if', 'if', 'tests/downstream/test_checks.py'),
    Break('cmae_mm/downstream/checks.py', 'if sizes and labels.shape not in sizes:', 'if False:', 'tests/downstream/test_checks.py'),
    Break('cmae_mm/downstream/checks.py', 'if labels.ndim != 2:', 'if False:', 'tests/downstream/test_checks.py'),
    Break('cmae_mm/evaluation/metrics.py', ' and len(labels.unique()) == 2', '', 'tests/evaluation/test_metrics.py'),
    Break('cmae_mm/evaluation/retrieval.py', 'similarity -= relevant * _ROUNDING', 'pass', 'tests/evaluation/test_retrieval.py'),
    Break('cmae_mm/evaluation/images.py', 'int(some.min()) for some in labels)) < 0', 'int(some.min()) for some in labels)) < -9', 'tests/evaluation/test_evaluate.py'),
    Break('cmae_mm/evaluation/reconstruction.py', '        model.init_weights()\n', '        pass\n', 'tests/evaluation/test_reconstruction.py'),
    Break('cmae_mm/pictures/attention.py', 'if any(side % of_patch', 'if False and any(side % of_patch', 'tests/pictures/test_attention.py'),
    Break('cmae_mm/pictures/hook.py', 'if folder and not isinstance(folder, dict)', 'if folder', 'tests/pictures/test_hook.py'),
    Break('cmae_mm/engine/checkpoint_hook.py', '            self._keep_to_this_folder()\n', '', RESUME),
    Break('cmae_mm/engine/checkpoint_hook.py', 'Path(self.out_dir).mkdir(parents=True, exist_ok=True)', 'pass', RESUME),
    Break('cmae_mm/engine/runner.py', 'choose_reader(self.trusting)  # another', 'pass  # another', RESUME),
    Break('cmae_mm/engine/runner.py', '        choose_reader(self.trusting)\n        checkpoint', '        checkpoint', RESUME),
    Break('cmae_mm/engine/runner.py', 'if self.has_trained:', 'if False:', RESUME),
    Break('cmae_mm/engine/start.py', "if resume not in (None, 'auto'):", 'if False:', 'tests/engine/test_start.py'),
    Break('cmae_mm/engine/resume.py', 'if named in found and found[newest]', 'if False and found[newest]', RESUME),
    Break('cmae_mm/engine/resume.py', 'key=lambda path: _age(found[path])', "key=lambda path: found[path].meta['iter']", RESUME),
    Break('cmae_mm/engine/start.py', '        if runner._resume:\n            return\n        tensors', '        tensors', 'tests/engine/test_start.py'),
    Break('cmae_mm/engine/start.py', "    if resume == 'auto':\n        cfg.resume, cfg.load_from = True, None\n", '', 'tests/engine/test_start.py'),
    Break('tools/launch.py', 'INTERRUPTED if is_interruption(error.failures) else 1', '1', 'tests/tools/test_launch_report.py'),
    Break('tools/launch.py', 'signal.signal(signal.SIGUSR1, pass_on)', 'pass', 'tests/tools/test_launch_report.py'),
    Break('tools/slurm_train.sh', '! $stopped', 'true', 'tests/tools/test_launch.py'),
    Break('tools/launch.py', 'if not _is_consequence(each)}', '}', 'tests/tools/test_launch_report.py'),
    Break('cmae_mm/engine/runner.py', 'if loader is not dataloader:', 'if False:', 'tests/downstream/test_exact_resume.py'),
    Break('cmae_mm/engine/runner.py', 'hook.release()', 'pass', RESUME),
    Break('cmae_mm/engine/runner.py', '            self.writer.settle()  # while a signal can\'t interrupt it\n', '', 'tests/engine/test_failures.py'),
    Break('cmae_mm/engine/stop_hook.py', 'after_in_child=_leave_the_run', 'before=lambda: None', 'tests/engine/test_forks.py'),
    Break('cmae_mm/engine/stop_hook.py', '        _ignore_interrupts()\n', '', 'tests/engine/test_forks.py'),
    Break('cmae_mm/engine/stop_hook.py', "signal.signal(signal.SIGTERM, signal.SIG_DFL)\n\n\nos.", "pass\n\n\nos.", 'tests/engine/test_forks.py'),
    Break('cmae_mm/engine/loops.py', "config.setdefault('pin_memory', torch.cuda.is_available())", 'pass', RESUME),
    Break('cmae_mm/models/utils/patch_projection.py', '.permute(0, 2, 4, 1, 3, 5)', '.permute(0, 2, 4, 1, 5, 3)', 'tests/models/utils/test_patch_projection.py'),
    Break('cmae_mm/models/utils/patch_projection.py', 'conv.padding == (0, 0)', 'True', 'tests/models/utils/test_patch_projection.py'),
    Break('cmae_mm/models/utils/patch_projection.py', 'conv.kernel_size == conv.stride', 'True', 'tests/models/utils/test_patch_projection.py'),
    Break('cmae_mm/models/utils/patch_projection.py', 'conv.dilation == (1, 1)', 'True', 'tests/models/utils/test_patch_projection.py'),
    Break('cmae_mm/models/utils/patch_projection.py', 'conv.groups == 1', 'True', 'tests/models/utils/test_patch_projection.py'),
    Break('cmae_mm/models/backbones/cmae_vit.py', 'use_patch_projection(self.patch_embed)', 'pass', 'tests/models/utils/test_patch_projection.py'),
    Break('cmae_mm/downstream/backbone.py', ", 'layer_scale_init_value')", ')', ENCODERS),
    Break('cmae_mm/compat.py', "'transformers>=5'", "'transformers>=4'", 'tests/test_compat.py'),
    Break('cmae_mm/compat.py', 'dependency.WITH_MULTIMODAL = False', 'pass', 'tests/test_compat.py'),
    Break(CONTRAST_HOOK, "self.compiled = vars(self.model).pop('loss', None)", 'self.compiled = None', 'tests/engine/test_compile.py'),
    Break('cmae_mm/cpu/linear.py', '_product(rows.t(), x.flatten(0, -2).t())', '_product(rows.t(), gradient.flatten(0, -2).t())', LINEAR),
    Break('cmae_mm/cpu/linear.py', 'rows.sum(0) if', 'rows.mean(0) if', LINEAR),
    Break('cmae_mm/cpu/linear.py', ' and not _autocast_on_cpu()', '', LINEAR),
    Break('cmae_mm/cpu/linear.py', 'type(module) in (nn.Linear, HostLinear)', 'isinstance(module, nn.Linear)', LINEAR),
    Break('cmae_mm/cpu/memory.py', 'library.mallopt(_M_MMAP_THRESHOLD, _BYTES)', 'True', 'tests/cpu/test_memory.py'),
    Break('cmae_mm/demo/together.py', 'process.terminate()', 'pass', 'tests/demo/test_together.py'),
    Break('cmae_mm/demo/together.py', 'torch.set_num_threads(1)', 'pass', 'tests/demo/test_together.py'),
    Break('cmae_mm/checkpoints/encoder.py', '|(patch|image)[._])', ')', 'tests/checkpoints/test_encoder.py'),
    Break('cmae_mm/demo/encoders.py', 'scaled(transform.scale)', 'transform.scale', ENCODERS),
    Break('cmae_mm/demo/encoders.py', 'featmap_strides=strides[:4]', 'featmap_strides=strides[-4:]', ENCODERS),
    Break('cmae_mm/demo/encoders.py', 'generator.strides = strides', 'generator.scales = [4]', ENCODERS),
    Break('cmae_mm/demo/encoders.py', 'rois.finest_scale * strides[0]', 'rois.finest_scale', ENCODERS),
    Break('cmae_mm/demo/encoders.py', '**normal, bgr_to_rgb=', 'bgr_to_rgb=', ENCODERS),
    Break('cmae_mm/demo/encoders.py', '[*stages, width, width]', '[width] * 4', ENCODERS),
    Break('cmae_mm/demo/encoders.py', 'if field not in SHAPE', 'if field', ENCODERS),
    Break('cmae_mm/demo/encoders.py', 'if depth < 4', 'if depth < 1', ENCODERS),
    Break('cmae_mm/demo/predictions.py', '(columns, rows), interp', '(64, 64), interp', ENCODERS),
    Break('cmae_mm/downstream/backbone.py', 'issubclass(kind, ConvStem)', 'False', ENCODERS),
    Break('cmae_mm/demo/quickstart.py', "meta['seed'] == seed", "meta['seed'] >= 0", 'tests/demo/test_quickstart.py'),
    Break('tools/slurm_train.sh', 'arguments=(${kept[@]+"${kept[@]}"} --resume)', 'arguments+=(--resume)', 'tests/tools/test_launch.py'),
    # what the encoder goes to
    Break('cmae_mm/downstream/attention.py', 'place[:, None] - place + size - 1', 'place - place[:, None] + size - 1', DOWNSTREAM),
    Break('cmae_mm/downstream/attention.py', 'q * self.head_dims**-0.5', 'q', DOWNSTREAM),
    Break('cmae_mm/downstream/vit.py', 'range(part - 1, depth, part)', 'range(0, depth, part)', DOWNSTREAM),
    Break('cmae_mm/downstream/vit.py', 'layer.drop_path(self.attend(layer.attn, layer.ln1(x), grid, size))', 'self.attend(layer.attn, layer.ln1(x), grid, size)', DOWNSTREAM),
    Break('cmae_mm/engine/optim_constructors.py', 'flat_decay_mult=0.0', 'flat_decay_mult=1.0', OPTIM),
    Break('cmae_mm/downstream/checks.py', 'labels >= self.num_classes', 'labels > self.num_classes', DOWNSTREAM),
    Break('cmae_mm/checkpoints/released.py', '.view(1, 3, 1, 1)).flip(1)', '.view(1, 3, 1, 1))', CHECKPOINTS),
    Break('cmae_mm/checkpoints/released.py', '(-1, 3)).flip(1)', '(-1, 3))', CHECKPOINTS),
    Break('cmae_mm/evaluation/encoder.py', "'BGR') == 'BGR'", "'BGR') == 'RGB'", EVALUATION),
    Break('cmae_mm/evaluation/neighbours.py', '/ temperature).exp()', '* 0).exp()', 'tests/evaluation/test_neighbours.py'),
    Break('cmae_mm/evaluation/neighbours.py', '(similarity, index + start)', '(similarity, index)', 'tests/evaluation/test_neighbours.py'),
    Break('cmae_mm/evaluation/neighbours.py', '(s, i + start)', '(s, i)', 'tests/tools/test_evaluation_tools.py'),
    Break('cmae_mm/evaluation/attentive_probe.py', 'pooling.norm.momentum = None', 'pass', 'tests/evaluation/test_attentive_probe.py'),
    Break('cmae_mm/evaluation/linear_probe.py', 'penalised[:, -1] = 0', 'pass', 'tests/evaluation/test_linear_probe.py'),
    Break('cmae_mm/evaluation/linear_probe.py', 'if loss >= least', 'if loss < 0', 'tests/evaluation/test_linear_probe.py'),
    Break('cmae_mm/evaluation/linear_probe.py', 'train(len(order), l2, weights, tolerance=1e-9)', 'weights', 'tests/evaluation/test_linear_probe.py'),
    Break('cmae_mm/evaluation/linear_probe.py', 'held_out.split(counts)[get_rank()]', 'held_out.split(counts)[0]', 'tests/tools/test_evaluation_tools.py'),
    Break('cmae_mm/evaluation/moments.py', 'clamp(min=0).sqrt()', 'clamp(min=0)', 'tests/evaluation/test_moments.py'),
    Break('cmae_mm/evaluation/metrics.py', 'scores = scores.double()', 'scores = scores.double().sigmoid()', 'tests/evaluation/test_metrics.py'),
    Break('cmae_mm/evaluation/metrics.py', 'minlength=classes) == 0', 'minlength=classes) < 0', 'tests/evaluation/test_metrics.py'),
    Break('cmae_mm/evaluation/retrieval.py', 'relevant.scatter_(1, itself, False)', 'pass', 'tests/evaluation/test_retrieval.py'),
    Break('cmae_mm/evaluation/retrieval.py', '[found > 0]', '[found >= 0]', 'tests/evaluation/test_retrieval.py'),
    Break('cmae_mm/evaluation/feature_file.py', 'self._state[rows] = _WRITTEN', 'pass', 'tests/evaluation/test_feature_file.py'),
    Break('cmae_mm/evaluation/feature_file.py', 'if differing:', 'if False:', 'tests/evaluation/test_feature_file.py'),
    Break('cmae_mm/evaluation/feature_file.py', "np.load(path, mmap_mode='r')  #", 'pass  #', 'tests/evaluation/test_feature_file.py'),
    Break('cmae_mm/evaluation/features.py', 'yield ready\n            ready = encoded', 'yield encoded\n            ready = encoded', 'tests/evaluation/test_feature_file.py'),
    Break('cmae_mm/evaluation/features.py', 'file.mark_unreadable(missing)', 'pass', 'tests/evaluation/test_feature_file.py'),
    Break('cmae_mm/evaluation/loading.py', "image[:, :, None]", 'image', 'tests/evaluation/test_images.py'),
    Break('cmae_mm/evaluation/images.py', 'if tuple(found) != tuple(classes)', 'if False', 'tests/evaluation/test_images.py'),
    Break('cmae_mm/evaluation/tokens.py', 'self.count += len(tokens)', 'self.count = len(tokens)', 'tests/evaluation/test_tokens.py'),
    Break('cmae_mm/models/necks/attentive_pooling.py', 'attention.scale * per_head', 'per_head', MODELS),
    Break('cmae_mm/models/necks/attentive_pooling.py', 'x * self.norm_v.weight', 'x', MODELS),
    Break('cmae_mm/models/utils/frozen.py', 'return super().train(False)', 'return super().train(mode)', MODELS),
    Break('cmae_mm/models/utils/frozen.py', 'self.encoder.requires_grad_(False)', 'pass', MODELS),
    Break('cmae_mm/models/utils/frozen.py', 'if trainable:', 'if False:', MODELS),
    Break('cmae_mm/models/utils/frozen.py', 'backbone = plain_encoder(backbone)', 'pass', 'tests/models/utils/test_frozen.py'),
    Break('cmae_mm/models/utils/frozen.py', 'encoder is not None and takes_mask(encoder)', 'False', 'tests/models/utils/test_frozen.py'),
    Break('cmae_mm/models/utils/tokens.py', 'if output.ndim == 4', 'if False', 'tests/models/necks/test_attentive_pooling.py tests/evaluation/test_encoder.py'),
    Break('cmae_mm/demo/together.py', 'process.exitcode or 1', 'process.exitcode or 0', 'tests/demo/test_together.py'),
    Break('cmae_mm/models/selfsup/mimco.py', 'return tokens, patch_mask, in_order', 'return tokens, patch_mask, patch_mask.ids_restore', MODELS),
    Break('cmae_mm/models/selfsup/mimco.py', 'self.teacher.grid != grid', 'False', MODELS),
    Break('cmae_mm/models/heads/mimco_head.py', 'select(decoded, removed)', 'select(decoded, removed.flip(1))', MODELS),
    Break('cmae_mm/models/heads/mimco_head.py', 'decoded_class, class_token', 'decoded_class, tokens.mean(dim=1)', MODELS),
    Break('cmae_mm/models/losses/patches.py', 'positions = positions + start[:, None]', 'pass', MODELS),
    Break('cmae_mm/models/losses/patches.py', 'beta=self.beta', 'beta=1.0', MODELS),
    Break('cmae_mm/models/losses/queue.py', 'past.masked_fill(empty, -torch.inf)', 'past', MODELS),
    Break('cmae_mm/models/losses/queue.py', 'self.queue.clone()', 'self.queue', MODELS),
    Break('cmae_mm/models/losses/queue.py', 'if self.training:', 'if True:', MODELS),
    Break('cmae_mm/models/losses/queue.py', 'targets[-self.queue_size :]', 'targets[: self.queue_size]', MODELS),
    Break('cmae_mm/evaluation/loading.py', '(height - rows) // 2', '0', 'tests/evaluation/test_loading.py'),
    Break('cmae_mm/evaluation/reconstruction.py', 'torch.where(hidden, predictions, images)', 'predictions', EVALUATION),
    Break('cmae_mm/collection.py', 'str(config_path(name)), None', "str(config_path(name)), 'cmae_mm'", COLLECTION),
    Break('cmae_mm/collection.py', 'name.startswith(PREFIX)', 'False', COLLECTION),
    Break('cmae_mm/__main__.py', ' and not Path(argument).exists()', '', COLLECTION),
    Break('cmae_mm/__main__.py', 'check_versions()', 'pass', COLLECTION),
    Break('cmae_mm/__main__.py', "{'PYTHON': sys.executable, **os.environ}", 'os.environ', COLLECTION),
    Break('cmae_mm/compat.py', "{str(error.name).split('.')[0]}", '{error.name}', 'tests/test_compat.py'),
    Break('setup.py', "requirements('default', 'mmcv')", "requirements('default')", 'tests/test_compat.py'),
    Break('requirements/installer/uv.py', "('global.', 'install.', ':env:.')", "('install.', 'global.', ':env:.')", 'tests/test_install.py'),
    Break('requirements/installer/uv.py', 'cache.stat().st_dev == folder.stat().st_dev', 'True', 'tests/test_install.py'),
    Break('requirements/installer/virtual_environment.py', 'if name not in os.environ', '', 'tests/test_install.py'),
    Break('cmae_mm/pictures/attention.py', 'logits * q.shape[-1] ** -0.5', 'logits', 'tests/pictures/test_attention.py'),
    Break('cmae_mm/pictures/attention.py', 'VisionTransformer.forward(backbone, images)', 'backbone(images)', 'tests/pictures/test_attention.py'),
    Break('cmae_mm/pictures/attention.py', 'extra + row * columns + column', 'row * columns + column', 'tests/pictures/test_attention.py'),
    Break('cmae_mm/pictures/attention.py', 'smooth / smooth.max()', 'smooth', 'tests/pictures/test_attention.py'),
    Break('cmae_mm/pictures/neighbours.py', 'RIGHT if right else WRONG', 'RIGHT', 'tests/pictures/test_neighbours.py'),
    Break('cmae_mm/pictures/encoded.py', "batch['index'], ", "torch.arange(len(tokens)), ", 'tests/pictures/test_encoded.py'),
    Break('cmae_mm/pictures/hook.py', 'loading=image_loading(cfg)', 'loading=None', 'tests/configs/test_own_data.py'),
    Break('cmae_mm/pictures/embedding.py', 'F.normalize(features, dim=1)', 'features', 'tests/pictures/test_embedding.py'),
    Break('cmae_mm/pictures/curves.py', 'if step >= start]', 'if step > start + 99]', 'tests/pictures/test_curves.py'),
    Break('cmae_mm/pictures/curves.py', "last = max(last, record.pop('iter', 0), record.pop('step', 0))", "last = record.pop('step', record.pop('iter', 0))", 'tests/pictures/test_curves.py'),
    Break('cmae_mm/pictures/hook.py', 'module.training = training', 'module.train()', 'tests/pictures/test_hook.py'),
    Break('cmae_mm/pictures/hook.py', "torch.random.fork_rng([device] if device.type == 'cuda' else [])", 'torch.random.fork_rng(enabled=False)', 'tests/pictures/test_hook.py'),
    Break('cmae_mm/pictures/overview.py', 'overlay(images[order], attention[order])', 'overlay(images[order], attention[0])', 'tests/pictures/test_overview.py'),
    Break('cmae_mm/models/selfsup/cae.py', 'pixels.scatter(1, removed, prediction)', 'pixels', 'tests/evaluation/test_reconstruction.py'),
    Break('cmae_mm/engine/trackers.py', '        self.run = name\n', '        pass\n', 'tests/engine/test_trackers.py'),
    Break('requirements/installer/virtual_environment.py', "PIP_USER='0'", "PIP_USER='1'", 'tests/test_install.py'),
    # images of one's own
    Break(TIFF, "(axes.index('Y'), axes.index('X')), (0, 1))", '(0, 1), (0, 1))', OWN_DATA),
    Break(TIFF, "check_size((shape[axes.index('Y')], shape[axes.index('X')]), max_pixels)", 'pass', OWN_DATA),
    Break(TIFF, 'if photometric == 3:', 'if False:', OWN_DATA),
    Break(TIFF, 'expected is not None and found != expected', 'False', OWN_DATA),
    Break(DECODE, 'cv2.COLOR_BGRA2RGBA', 'cv2.COLOR_RGBA2RGB', OWN_DATA),
    Break(DECODE, 'dtype is not None and image.dtype != dtype', 'False', OWN_DATA),
    Break(MASTER_IMAGE, "self.deferred and self.dtype == 'uint8'", 'self.deferred', OWN_DATA),
    Break(MASTER_IMAGE, 'images.clamp_(0, 255) if images.is_floating_point() else images', 'images', OWN_DATA),
    Break(MASTER_IMAGE, 'np.float32(255 / 65535)', 'np.float32(1 / 256)', OWN_DATA),
    Break(PACK_VIEWS, '*image.shape[:2]), image.dtype)', '*image.shape[:2]), np.uint8)', OWN_DATA),
    Break(VIEWS, 'if channels == 3 else same', 'if channels == 3 else same.mean(0).expand(channels, channels)', OWN_DATA),
    Break('cmae_mm/worker_views.py', 'permute(2, 0, 1)[None].clone()', 'permute(2, 0, 1)[None]', OWN_DATA),
    Break('cmae_mm/worker_views.py', 'image.mean(axis=(0, 1)), _LEVELS', 'image.mean(), _LEVELS', OWN_DATA),
    Break('cmae_mm/datasets/annotations.py', ' if line.strip()]', ']', OWN_DATA),
    Break('cmae_mm/datasets/annotations.py', '[Source(name, int(label)) for name, label in fields]', '[Source(line) for line in lines]', OWN_DATA),
    Break('cmae_mm/datasets/unlabelled.py', 'get_data_info(self.data_list[idx])', 'get_data_info(0)', OWN_DATA),
    Break('cmae_mm/datasets/statistics.py', 'mean_square - mean**2', 'mean_square', OWN_DATA),
    Break('cmae_mm/evaluation/loading.py', "if field != 'type'}", "if field == 'backend_args'}", 'tests/configs/test_own_data.py'),
]  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--only', nargs='*', default=[], help='breaks whose file or line has these')
    parser.add_argument('--list', action='store_true', help='list the breaks')
    args = parser.parse_args()
    chosen = [b for b in BREAKS if all(word in f'{b.file} {b.old}' for word in args.only)]
    if not chosen:
        parser.error(f'no break has {" and ".join(args.only)}')
    if args.list:
        print('\n'.join(describe(one) for one in chosen))
        return 0
    if misplaced := [describe(one) for one in chosen if not one.fits()]:
        raise SystemExit('\n'.join(['these lines are not in their files once:', *misplaced]))
    import_hosts()
    caught = 0
    with tempfile.TemporaryDirectory() as folder:
        copy_checkout(Path(folder))
        tests = sorted({path for one in chosen for path in one.tests.split()})
        print(f'unbroken: {" ".join(tests)}', flush=True)
        if run_tests(tests, Path(folder)) != 0:
            raise SystemExit('the tests fail before anything is broken')
        for number, one in enumerate(chosen, 1):
            start = time.monotonic()
            noticed = run(one, Path(folder))
            caught += noticed
            seconds = time.monotonic() - start
            verdict = 'caught  ' if noticed else 'SURVIVED'
            print(
                f'{number:3}/{len(chosen)} {verdict} {seconds:4.0f} s  {describe(one)}', flush=True
            )
    print(f'{caught} of {len(chosen)} breaks caught')
    return int(caught < len(chosen))


def describe(one: Break) -> str:
    old, new = (' '.join(text.split()) or 'nothing' for text in (one.old, one.new))
    return f'{one.file}: {old} -> {new}'


def import_hosts() -> None:
    """Import what the tests import, but for what is broken."""
    for name in ('timm', 'mmpretrain.models', 'mmdet.models', 'mmseg.models'):
        with contextlib.suppress(ImportError):  # one that has no compiled operators
            importlib.import_module(name)


def copy_checkout(folder: Path) -> None:
    """Copy what git tracks, as it is now."""
    listed = subprocess.check_output(['git', 'ls-files', '-z'], cwd=ROOT, text=True)
    for name in filter(None, listed.split('\0')):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def run(one: Break, folder: Path) -> bool:
    """Whether the tests fail on the break, or can't be collected any more."""
    path = folder / one.file
    text = path.read_text()
    path.write_text(text.replace(one.old, one.new))
    try:
        return run_tests(one.tests.split(), folder) in (1, 2)
    finally:
        path.write_text(text)


def run_tests(tests: list[str], folder: Path) -> int:
    """pytest's exit status on the copy."""
    process = multiprocessing.get_context('fork').Process(target=_pytest, args=(tests, folder))
    process.start()
    process.join()
    return process.exitcode


def _pytest(tests: list[str], folder: Path) -> None:
    with open(os.devnull, 'w') as nowhere:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(nowhere.fileno(), stream.fileno())
    os.chdir(folder)
    os.environ['PYTHONPATH'] = sys.path[0] = str(folder)
    arguments = ['-x', '-q', '-p', 'no:cacheprovider', '-m', 'not slow', *tests]
    sys.exit(pytest.main(arguments))


if __name__ == '__main__':
    sys.exit(main())
