import pytest
import torch
from mmengine.registry import RUNNERS

from cmae_mm.engine.activation_checkpointing import checkpoint_activations
from tests.helpers.files import write_images
from tests.helpers.runs import EPOCHS, config, differences, state
from tests.helpers.tiny import tiny_model, two_views

BLOCKS = ('backbone.layers', 'pixel_decoder.decoder_blocks', 'feature_decoder.decoder_blocks')


def step(names, dtype=None, **overrides):
    """Gradients, and bytes that the forward pass keeps for the backward pass."""
    model = tiny_model(backbone__drop_path_rate=0.5, **overrides)
    checkpoint_activations(model, names)
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    torch.manual_seed(5)
    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        torch.autocast('cpu', dtype, enabled=dtype is not None),
    ):
        losses = model.loss(two_views())
    sum(losses.values()).backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return gradients, sum(kept.values())


@pytest.mark.parametrize(
    'dtype, overrides',
    [
        (None, dict()),
        (torch.bfloat16, dict()),
        (None, dict(micro_batch=3)),
        (None, dict(neck__feature__share_weights=True)),
    ],
    ids=str,
)
def test_gradients_are_the_same_and_less_is_kept(dtype, overrides):
    kept, bytes_kept = step((), dtype, **overrides)
    again, bytes_again = step(BLOCKS, dtype, **overrides)
    assert len(kept) > 50
    assert all(again[name].equal(kept[name]) for name in kept)
    if 'micro_batch' not in overrides:  # which keeps less already
        assert bytes_again < 0.5 * bytes_kept


def test_the_config_names_the_modules(tmp_path):
    write_images(tmp_path / 'images', num=7)
    calls = {'kept': [], 'again': []}
    for name, modules in (('kept', None), ('again', list(BLOCKS))):
        cfg = config(tmp_path, name, EPOCHS)
        if modules:
            cfg.activation_checkpointing = modules
        runner = RUNNERS.build(cfg)
        block = runner.model.backbone.layers[0]
        block.ln1.register_forward_hook(lambda *args, calls=calls[name]: calls.append(args))
        runner.train()
    assert len(calls['kept']) == 9 and len(calls['again']) == 18
    assert differences(*(state(tmp_path / n / 'iter_9.pth') for n in ('kept', 'again'))) == []


def test_a_module_that_is_not_there_is_an_error():
    with pytest.raises(ValueError, match="CMAE has no module 'backbone.blocks'; .*backbone.layers"):
        checkpoint_activations(tiny_model(), ['backbone.blocks'])
