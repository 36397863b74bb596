import torch
from mmengine.logging import MessageHub

from cmae_mm.engine.message_hub import PatientMessageHub


def filled(kind, name, **kwargs):
    """A hub that was given numbers and tensors in turn."""
    hub = kind(name, **kwargs)
    for step in range(6):
        hub.update_scalar('mixed', torch.tensor(step / 3) if step % 3 else step / 3)
        hub.update_scalar('loss', torch.tensor([step / 7], dtype=torch.float64), count=2)
        hub.update_scalar('lr', 0.1 * step, resumed=False)
    return hub


def test_buffers_are_those_of_the_host():
    host, hub = filled(MessageHub, 'host'), filled(PatientMessageHub, 'ours')
    assert list(hub.log_scalars) == list(host.log_scalars) == ['mixed', 'loss', 'lr']
    for name, buffer in host.log_scalars.items():
        for ours, expected in zip(hub.log_scalars[name].data, buffer.data):
            assert ours.dtype == expected.dtype and ours.tolist() == expected.tolist()
    assert hub.state_dict()['log_scalars'].keys() == {'mixed', 'loss'}


def test_each_way_to_read_gets_every_value():
    assert len(filled(PatientMessageHub, 'one').get_scalar('loss').data[0]) == 6
    saved = filled(PatientMessageHub, 'saved').state_dict()
    assert len(saved['log_scalars']['loss'].data[0]) == 6


def test_a_tensor_that_changes_later_was_logged_before():
    hub = filled(PatientMessageHub, 'changed')
    value = torch.ones(())
    hub.update_scalar('loss', value)
    value.zero_()
    assert hub.get_scalar('loss').current() == 1


def test_few_tensors_wait():
    hub = filled(PatientMessageHub, 'full', capacity=2)
    assert len(hub.waiting['loss']) <= 2
    assert len(hub.get_scalar('loss').data[0]) == 6


def test_it_is_the_hub_that_the_host_finds():
    hub = PatientMessageHub.get_instance('current hub of a test')
    assert MessageHub.get_current_instance() is hub
    assert MessageHub.get_instance('current hub of a test') is hub
