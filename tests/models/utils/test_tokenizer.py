import pytest
import torch
from mmengine.runner.checkpoint import get_state_dict
from torch import nn

from cmae_mm.models import DALLETokenizer

SIZE = dict(n_hid=4, vocab_size=16, group_count=4, n_blk_per_group=1)


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('tokenizer') / 'dalle.pth'
    torch.save({'state_dict': dict(DALLETokenizer(**SIZE).named_parameters())}, path)
    return path


def loaded(path, **kwargs):
    tokenizer = DALLETokenizer(str(path), **{**SIZE, **kwargs})
    tokenizer.init_weights()
    return tokenizer


def test_tokens_are_the_likeliest_of_the_host_s_encoder(weights):
    tokenizer = loaded(weights)
    images = torch.rand(2, 3, 32, 48)
    tokens = tokenizer(images)
    assert tokens.shape == (2, 4, 6) and len(tokens.unique()) > 1
    assert tokens.equal(tokenizer.blocks(images).argmax(dim=1))
    assert not any(p.requires_grad for p in tokenizer.parameters())


def test_weights_are_the_file_s_and_stay_out_of_checkpoints(weights):
    model = nn.ModuleDict({'tokenizer': loaded(weights), 'other': nn.Linear(1, 1)})
    saved = torch.load(weights, weights_only=True)['state_dict']
    own = model['tokenizer'].get_parameter('blocks.output.conv.w')
    assert own.equal(saved['blocks.output.conv.w'])
    for state in (model.state_dict(), get_state_dict(model)):
        assert list(state) == ['other.weight', 'other.bias']
    model.load_state_dict(state)  # strict: all that is missing is the tokenizer's
    assert own.equal(saved['blocks.output.conv.w'])


def test_a_tokenizer_without_weights_is_refused():
    with pytest.raises(ValueError, match='untrained tokenizer .*cae-pixels'):
        DALLETokenizer(**SIZE).init_weights()


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no tokenizer '.*none.pth': .*docs/cae.md"):
        loaded(tmp_path / 'none.pth')


@pytest.mark.parametrize('field, value', [('vocab_size', 8), ('n_hid', 8)])
def test_a_tokenizer_of_another_size_is_refused(weights, field, value):
    with pytest.raises(ValueError, match='tokenizer of another size'):
        loaded(weights, **{field: value})


def test_another_checkpoint_is_refused(tmp_path):
    torch.save({'cls_token': torch.zeros(1)}, tmp_path / 'vit.pth')
    with pytest.raises(ValueError, match='not a tokenizer: it has no blocks.*found cls_token'):
        loaded(tmp_path / 'vit.pth')


def test_a_pickled_module_is_not_executed(tmp_path):
    # the form of OpenAI's own file
    torch.save(nn.Sequential(nn.Conv2d(1, 1, 1)), tmp_path / 'encoder.pkl')
    with pytest.raises(ValueError, match=r'encoder\.pkl'):
        loaded(tmp_path / 'encoder.pkl')
