"""Shards of real images, and a server of them."""

import contextlib
import functools
import http.server
import threading

from cmae_mm.datasets.packing import list_sources, pack
from tests.helpers.files import write_images


def write_shards(folder, num=12, samples_per_shard=3, **options):
    """Write images and shards of them into a folder; returns that of the shards."""
    images = write_images(folder / 'images', num=num, name='class_{}/a.jpg')
    return pack_folder(images, folder / 'shards', samples_per_shard, **options)


def pack_folder(images, out, samples_per_shard=3, **options):
    pack(list_sources(images), images, out, samples_per_shard, **options)
    return out


class _Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.requests.append(self.path.lstrip('/'))
        if server.failures:
            return self.send_error(server.failures.pop(0))
        return super().do_GET()

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serve(folder):
    """Serve a folder by http.

    Gives the server: ``url``; ``requests``, the names of the files that were asked for;
    ``failures``, statuses of its next answers.
    """
    handler = functools.partial(_Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        server.requests, server.failures = [], []
        server.url = f'http://127.0.0.1:{server.server_port}'
        thread = threading.Thread(target=server.serve_forever, kwargs=dict(poll_interval=0.01))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
