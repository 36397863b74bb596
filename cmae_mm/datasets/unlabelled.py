"""Images to pre-train on, from any data set of the hosts."""

from mmengine.dataset.base_dataset import force_full_init
from mmpretrain.registry import DATASETS

from .pretrain_dataset import PretrainDataset


@DATASETS.register_module()
class UnlabelledDataset(PretrainDataset):
    """The images of another data set, without their labels.

    Seeds of samples, an exact resume and the replacement of broken images are those of
    :class:`PretrainDataset`.

    Args:
        dataset: config of a data set of mmpretrain, or of another host
            (``type='mmdet.CocoDataset'``), that gives each image's file, ``img_path``, or its
            pixels, ``img``, uint8 (H, W) or (H, W, C). Its own pipeline is not used.
        **kwargs: of PretrainDataset, such as ``pipeline``.

    Raises:
        FileNotFoundError, RuntimeError: as of PretrainDataset.
        ValueError: the data set is empty, or gives neither files nor pixels.
    """

    def __init__(self, dataset: dict, **kwargs) -> None:
        self.source_config = dataset
        # of the folder nothing is read, but the host insists on one
        super().__init__(data_root='.', serialize_data=False, **kwargs)

    def load_data_list(self) -> range:
        """Build the data set; returns the indices of its images."""
        kind = self.source_config['type']
        self.source = DATASETS.build(self.source_config)
        self.source.full_init()
        if len(self.source) == 0:
            raise ValueError(f'{kind} has no images: see its data_root, data_prefix and ann_file')
        if not {'img_path', 'img'} & self.source.get_data_info(0).keys():
            raise ValueError(f"{kind} gives neither 'img_path' nor 'img': it has no images to read")
        return range(len(self.source))

    @force_full_init
    def get_data_info(self, idx: int) -> dict:
        """Return ``img_path`` of an image, or a name for it, and ``img`` if it has no file."""
        info = self.source.get_data_info(self.data_list[idx])
        path = info.get('img_path') or f'image {idx} of {type(self.source).__name__}'
        found = dict(img_path=path, sample_idx=idx)
        return dict(found, img=info['img']) if 'img' in info else found
