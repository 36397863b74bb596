"""Features on disk: one row per image, written by several ranks, reusable and resumable."""

import hashlib
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.dist import barrier, is_main_process
from torch import Tensor

from .encoder import FrozenEncoder

_MISSING, _WRITTEN, _UNREADABLE = range(3)


class FeatureFile:
    """Features of some images in ``NAME.npy``, float32 (N, D), mapped and never held in memory.

    Beside it, ``NAME.state.npy`` says for each row whether it is missing, written or of an
    unreadable image, so that an interrupted extraction goes on, on any number of ranks, and
    ``NAME.json`` says what the features are of.

    Args:
        folder: is created.
        name: of the files.
        shape: (N, D).
        contents: names and hashes of what determines the features, compared with those of a file
            that exists.

    Raises:
        ValueError: the file holds features of something else, or is damaged.
        OSError: the folder can't be written, or the disk is full.
    """

    def __init__(
        self, folder: str | Path, name: str, shape: tuple[int, int], contents: dict[str, str]
    ) -> None:
        self.path = Path(folder) / f'{name}.npy'
        self._state_path = self.path.with_suffix('.state.npy')
        description = dict(images=shape[0], width=shape[1], **contents)
        if is_main_process() and not self._description_path.exists():
            self._create(shape, description)
        barrier()
        self._check(description)
        self._features, self._state = _open(self.path), _open(self._state_path)

    @property
    def _description_path(self) -> Path:
        return self.path.with_suffix('.json')

    def missing(self, rows: range) -> list[int]:
        """Return those of some rows that were neither written nor found unreadable."""
        return (
            np.flatnonzero(self._state[rows.start : rows.stop] == _MISSING) + rows.start
        ).tolist()

    def write(self, rows: np.ndarray, features: np.ndarray) -> None:
        """Write features, shape (n, D), to rows, int64, shape (n,)."""
        self._features[rows] = features
        self._state[rows] = _WRITTEN

    def mark_unreadable(self, rows: Sequence[int]) -> None:
        """Say that those of some rows that were not written are of unreadable images."""
        rows = np.asarray(rows, dtype=np.int64)
        self._state[rows[self._state[rows] == _MISSING]] = _UNREADABLE

    def read(self, rows: range) -> tuple[Tensor, list[int]]:
        """Return the features of readable images among some rows, and their rows.

        The features are mapped, unless unreadable images are to be left out, which copies.
        """
        features = torch.from_numpy(self._features[rows.start : rows.stop])
        written = torch.from_numpy(self._state[rows.start : rows.stop] == _WRITTEN)
        if written.all():
            return features, list(rows)
        readable = written.nonzero()[:, 0]
        return features[readable], (readable + rows.start).tolist()

    def _create(self, shape: tuple[int, int], description: dict) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        _allocate(self.path, np.float32, shape)
        _allocate(self._state_path, np.uint8, shape[:1])
        # last: a folder without it is started anew
        unfinished = self._description_path.with_suffix('.tmp')
        unfinished.write_text(json.dumps(description, indent=2) + '\n')
        unfinished.replace(self._description_path)

    def _check(self, description: dict) -> None:
        found = json.loads(self._description_path.read_text())
        differing = [key for key in description if found.get(key) != description[key]]
        if differing:
            key = differing[0]
            raise ValueError(
                f'{str(self.path)!r} holds features of other {key}: {found.get(key)}, expected '
                f'{description[key]}; choose another folder, or remove this one'
            )


def encoder_fingerprint(encoder: FrozenEncoder) -> str:
    """Return a hash of an encoder's tensors, normalisation, numbers of heads and pooling."""
    digest = hashlib.sha256(encoder.pooling.encode())
    for name, module in encoder.named_modules():
        if heads := getattr(module, 'num_heads', None):  # of which no tensor tells
            digest.update(f'{name} {heads}'.encode())
    # mean and deviation are no part of the state
    for name, tensor in sorted({**encoder.state_dict(), **dict(encoder.named_buffers())}.items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def _allocate(path: Path, dtype: type, shape: tuple[int, ...]) -> None:
    """Write an array of zeros, all of it now: a disk full later would end the process mutely."""
    size = np.dtype(dtype).itemsize * math.prod(shape)
    header = dict(descr=np.lib.format.dtype_to_descr(np.dtype(dtype)), fortran_order=False)
    with path.open('wb') as file:
        np.lib.format.write_array_header_1_0(file, dict(header, shape=shape))
        file.flush()
        try:
            os.posix_fallocate(file.fileno(), 0, file.tell() + size)
        except OSError as error:
            path.unlink()
            raise OSError(
                f'no room for {size / 1e9:.1f} GB of features in {str(path)!r}: {error.strerror}'
            ) from None


def _open(path: Path) -> np.memmap:
    try:
        np.load(path, mmap_mode='r')  # to write, numpy would lengthen a file that is too short
        return np.load(path, mmap_mode='r+')
    except (EOFError, ValueError) as error:
        raise ValueError(f'{str(path)!r} is damaged ({error}): remove its folder') from None
