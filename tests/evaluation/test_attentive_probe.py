import torch

from cmae_mm.evaluation import attentive_predict, linear_predict


def marked_tokens(num, seed):
    """Noise, but for one token of each image, which has one of three directions: its class."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randn(num, 16, 8, generator=generator)
    labels = torch.randint(3, (num,), generator=generator)
    places = torch.randint(16, (num,), generator=generator)
    directions = 6 * torch.eye(8)[:3] + 6 * torch.eye(8)[7]
    tokens[torch.arange(num), places] = directions[labels]
    return tokens, labels


def test_attentive_probe_finds_the_token_that_tells():
    (known, known_labels), (tokens, labels) = marked_tokens(300, 0), marked_tokens(100, 1)
    how = dict(epochs=20, batch_size=32, lr=1e-2)
    predicted = attentive_predict(known, known_labels, tokens, **how)
    averaged = linear_predict(known.mean(dim=1), known_labels, tokens.mean(dim=1))
    assert (predicted == labels).double().mean() > 0.9
    assert (averaged == labels).double().mean() < 0.8


def test_attentive_probe_depends_on_its_seed_alone():
    (known, known_labels), (tokens, _) = marked_tokens(60, 0), marked_tokens(40, 1)

    def predict(outside, seed):
        torch.manual_seed(outside)
        before = torch.get_rng_state()
        predicted = attentive_predict(
            known, known_labels, tokens, epochs=4, batch_size=16, lr=1e-2, seed=seed
        )
        assert torch.equal(torch.get_rng_state(), before)
        return predicted

    assert torch.equal(predict(1, seed=0), predict(2, seed=0))
    assert not torch.equal(predict(1, seed=0), predict(1, seed=1))


def test_attentive_probe_takes_fewer_images_than_a_batch_and_one_more_than_a_batch():
    known, labels = marked_tokens(9, 0)
    for batch_size in (4, 8, 256):
        assert len(attentive_predict(known, labels, known, epochs=1, batch_size=batch_size)) == 9
