import pytest

from cmae_mm.demo import pictures
from cmae_mm.demo.pictures import write_builtin_images
from cmae_mm.demo.scenes import write_builtin_scenes


@pytest.fixture(scope='session')
def data(tmp_path_factory):
    """A few built-in pictures and scenes."""
    root = tmp_path_factory.mktemp('data')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, 'PICTURES_PER_CLASS', {'train': 2, 'test': 1})
        write_builtin_images(root)
    write_builtin_scenes(root, {'train': 8, 'val': 6})
    return root
