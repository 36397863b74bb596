from copy import deepcopy

import torch

from cmae_mm.evaluation.online_classifier import OnlineClassifier


def examples(num=60, classes=3, width=8):
    """Classes around distant centres, far from the origin and on scales of their own."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(num) % classes
    centres = 3 * torch.randn(classes, width, generator=generator)
    features = centres[labels] + torch.randn(num, width, generator=generator)
    return 100 + features * torch.logspace(-3, 3, width), labels


def classifier():
    return OnlineClassifier(8, 3, torch.device('cpu'), batch_size=16)


def weights(classifier):
    return torch.cat([p.detach().flatten() for p in classifier.linear.parameters()])


def test_classes_apart_are_told_apart():
    features, labels = examples()
    probe = classifier()
    assert weights(probe).eq(0).all()
    for seed in range(5):
        probe.fit(features, labels, seed)
    assert torch.equal(probe.predict(features), labels)


def test_a_copy_of_its_state_goes_on_exactly():
    features, labels = examples()
    probe, copy = classifier(), classifier()
    probe.fit(features, labels, seed=1)
    copy.load_state_dict(deepcopy(probe.state_dict()))
    for each in (probe, copy):
        each.fit(features, labels, seed=2)
    assert torch.equal(weights(probe), weights(copy))
    anew = classifier()
    anew.fit(features, labels, seed=2)
    assert not torch.equal(weights(anew), weights(probe))


def test_the_order_is_that_of_the_seed():
    features, labels = examples()
    one, same, other = classifier(), classifier(), classifier()
    for each, seed in ((one, 1), (same, 1), (other, 2)):
        each.fit(features, labels, seed)
    assert torch.equal(weights(one), weights(same))
    assert not torch.equal(weights(one), weights(other))
