"""Shards on a server, read through copies on this machine's disk."""

import contextlib
import hashlib
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import fsspec
from filelock import FileLock
from mmengine.logging import print_log

from .shard_index import FILE_NAME, Shard, ShardIndex

_ATTEMPTS = 4
_FIRST_PAUSE = 1.0  # seconds before the second attempt; each further pause is twice as long


class RemoteShards:
    """Shards below a URL; each is copied whole to this machine's disk before it is read.

    All processes of the machine share the copies. Those that have not been read for longest make
    room for others.

    Args:
        url: of a folder with an index and its shards, of any kind that fsspec reads.
        cache_dir: for the copies, on a local disk.
        max_bytes: largest size of all copies there.
        options: of fsspec's file system.

    Raises:
        ImportError: fsspec needs another package for this kind of URL.
        RuntimeError: the server does not deliver the index.
        ValueError: a bad index, or no room for two shards.
    """

    def __init__(self, url: str, cache_dir: str, max_bytes: int, options: dict) -> None:
        self.url = url.rstrip('/')
        self.max_bytes = max_bytes
        self.options = options
        self._thread: Thread | None = None  # that copies ahead
        self.cache = Path(cache_dir).expanduser()
        content = self._try(FILE_NAME, lambda system, path: system.cat_file(path))
        self.index = ShardIndex.parse(content, f'{without_secrets(self.url)}/{FILE_NAME}')
        # named by the index: shards that were packed anew are not mistaken for the old ones
        self.folder = self.cache / hashlib.sha256(content).hexdigest()[:16]
        self.folder.mkdir(parents=True, exist_ok=True)
        largest = max(shard.num_bytes for shard in self.index.shards)
        self.capacity = max_bytes // largest
        if self.capacity < 2:
            raise ValueError(
                f'cache_gb={max_bytes / 1e9:g} has no room for two shards of up to '
                f'{largest / 1e9:g} GB: raise it'
            )
        print_log(
            f'{len(self.index.shards)} shards of {without_secrets(self.url)} are read through '
            f'copies in {self.folder}, of {max_bytes / 1e9:g} GB at most',
            'current',
        )

    def __getstate__(self) -> dict:
        return {**self.__dict__, '_thread': None}

    def read(self, shard: Shard, start: int, num_bytes: int) -> bytes:
        """Read a part of a shard; fewer bytes if the file ends before.

        Raises:
            RuntimeError: the server does not deliver the shard, or it can't be copied; not an
                OSError, which stands for a broken image.
        """
        copy = self.folder / shard.name
        while True:
            try:
                # not kept open: a removed copy would keep its space on the disk
                with copy.open('rb', buffering=0) as file:
                    os.utime(file.fileno(), ns=(time.time_ns(),) * 2)  # when it was last read
                    return os.pread(file.fileno(), num_bytes, start)
            except FileNotFoundError:
                try:
                    self._fetch(shard)
                except OSError as error:
                    raise RuntimeError(
                        f'{shard.name} could not be copied to {self.folder} ({error}): check that '
                        'cache_dir of ShardDataset is writable'
                    ) from None

    def expect(self, shard: Shard) -> None:
        """Begin to copy a shard in the background, one at a time in each process."""
        if not self._thread and not (self.folder / shard.name).exists():
            self._thread = Thread(target=self._fetch_ahead, args=[shard], daemon=True)
            self._thread.start()

    def _fetch_ahead(self, shard: Shard) -> None:
        # who needs the shard waits for its lock, and reports what fails
        with contextlib.suppress(OSError, RuntimeError):
            self._fetch(shard, timeout=0)
        self._thread = None

    def _fetch(self, shard: Shard, timeout: float = -1) -> None:
        """Copy a shard to this disk, unless another process has done so meanwhile.

        Args:
            shard: to copy.
            timeout: seconds to wait for a process that copies it now; -1 for ever.

        Raises:
            TimeoutError: another process is still copying it.
            RuntimeError: the server does not deliver.
        """
        copy = self.folder / shard.name
        unfinished = copy.with_name(f'{copy.name}.part')
        with FileLock(f'{copy}.lock', timeout):
            if copy.exists():
                return
            with self._room_lock():
                unfinished.unlink(missing_ok=True)  # of a process that was killed
                self._make_room(shard.num_bytes)
                with unfinished.open('wb') as file:
                    file.truncate(shard.num_bytes)  # counts from now on
            self._try(shard.name, partial(_get, unfinished=unfinished, num_bytes=shard.num_bytes))
            with self._room_lock():
                unfinished.replace(copy)

    def _room_lock(self) -> FileLock:
        return FileLock(self.cache / 'room.lock')

    def _make_room(self, num_bytes: int) -> None:
        """Remove copies until so many bytes fit."""
        copies = sorted((path.stat().st_mtime_ns, path) for path in self.cache.glob('*/*.tar'))
        sizes = {path: path.stat().st_size for path in self.cache.glob('*/*.tar*')}
        used = sum(sizes.values())
        for _, path in copies:
            if used + num_bytes <= self.max_bytes:
                return
            path.unlink()
            used -= sizes[path]

    def _try(self, name: str, action: Callable[[fsspec.AbstractFileSystem, str], Any]) -> Any:
        """Do something with a file of the server, again if it fails.

        Raises:
            RuntimeError: it failed too often.
        """
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(_FIRST_PAUSE * 2 ** (attempt - 1))
            try:
                # anew: file systems do not survive a fork; fsspec keeps one per process
                return action(*fsspec.core.url_to_fs(f'{self.url}/{name}', **self.options))
            except ImportError as error:
                raise ImportError(
                    f'{error}: pip install "fsspec[{urlsplit(self.url).scheme}]"'
                ) from None
            except Exception as error:  # each kind of server has its own
                reason = _reason(error)
        raise RuntimeError(
            f'{without_secrets(self.url)}/{name} could not be read in {_ATTEMPTS} attempts '
            f'({reason}): check the address and the server, then --resume'
        )


def _get(system: fsspec.AbstractFileSystem, path: str, unfinished: Path, num_bytes: int) -> None:
    system.get_file(path, str(unfinished))
    if (found := unfinished.stat().st_size) != num_bytes:
        raise EOFError(f'{found} bytes, expected {num_bytes} from {FILE_NAME}')


def without_secrets(url: str) -> str:
    """Return a URL without user, password and query, which may hold credentials."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition('@')[2], query='').geturl()


def _reason(error: Exception) -> str:
    """Say what failed; other libraries' messages quote URLs with their credentials."""
    if isinstance(error, EOFError):
        return str(error)
    status = getattr(error, 'status', None) or getattr(error, 'strerror', None)
    return ' '.join(map(str, filter(None, (type(error).__name__, status))))
