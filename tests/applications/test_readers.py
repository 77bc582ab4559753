import dataclasses
import shutil
import warnings

import pytest
import torch
from torch.nn.functional import cross_entropy

from finegan_lib.__main__ import main
from finegan_lib.applications import invert, layers, mix
from finegan_lib.applications.encoder import (
    CodeEncoder,
    EncoderConfig,
    Guess,
    encoder_loss,
    train_encoder,
)
from finegan_lib.applications.kept import FOLDER, fingerprint, kept_name
from finegan_lib.applications.readers import load_readers
from tests.applications.small import CONFIG, QUICK, QUICK_SEGMENTER


def sample(n, seed=1):
    rng = torch.Generator().manual_seed(seed)
    return [CONFIG.hierarchy().sample(n, 4, tied=False, rng=rng) for _ in range(2)]


def test_layers_put_together_are_the_mixture(generator):
    birds, behind = sample(5)
    fronts, backs = layers(generator, birds, batch_size=2), layers(generator, behind)
    whole = fronts.paint + fronts.gap * backs.background
    torch.testing.assert_close(whole, mix(generator, birds, birds, behind).child.image)
    rows, others = torch.tensor([0, 3]), torch.tensor([4, 4])
    expected = fronts.paint[rows] + fronts.gap[rows] * fronts.background[others]
    torch.testing.assert_close(fronts.over(rows, others), expected)


def test_the_loss_by_hand():
    bird, behind = sample(3)
    torch.manual_seed(0)
    guess = Guess(*(torch.randn(3, n) for n in (4, 4, 4, 2, 4)))
    expected = cross_entropy(guess.p, bird.p_index) + cross_entropy(guess.c, bird.c_index)
    expected = expected + cross_entropy(guess.b, behind.b_index)
    squares = (guess.z_bird - bird.z).square().mean() + (guess.z_behind - behind.z).square().mean()
    torch.testing.assert_close(encoder_loss(guess, bird, behind, 0.5), expected + squares / 2)


def test_an_encoder_learns_to_read_codes(generator):
    config = EncoderConfig(n_birds=600, steps=150, width=8)
    encoder = train_encoder(generator, config)
    bird, behind = sample(200, seed=9)
    guess = encoder(mix(generator, bird, bird, behind).child.image)
    right = (guess.c.argmax(1) == bird.c_index).float().mean()
    assert right > 0.5  # by chance .25
    again = train_encoder(generator, config)
    weights = zip(encoder.parameters(), again.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in weights)


def test_an_encoder_reads_pictures_of_any_side():
    """At 48 pixels the trunk ends with a 6 × 6 map."""
    config = dataclasses.replace(CONFIG, image_size=48)
    guess = CodeEncoder(config, 4)(torch.zeros(2, 3, 48, 48))
    assert [part.shape[1] for part in guess] == [4, 4, 4, 2, 4]


def test_candidates_are_the_likeliest_pairs():
    encoder = CodeEncoder(CONFIG, 4).eval()
    images = torch.rand(3, 3, 32, 32) * 2 - 1
    guess = encoder(images)
    bird, behind = encoder.candidates(images, 8)
    assert len(bird.z) == len(behind.z) == 24
    joint = guess.p.softmax(1)[:, :, None] * guess.c.softmax(1)[:, None]
    for i in range(3):
        part = bird.select(slice(8 * i, 8 * i + 8))
        got = joint[i, part.p_index, part.c_index]
        assert got.tolist() == sorted(joint[i].flatten().tolist(), reverse=True)
        torch.testing.assert_close(part.z[5], guess.z_bird[i])
    assert behind.b_index[::8].equal(guess.b.argmax(1))
    bird, _ = encoder.candidates(images, 2, p_index=[1, 0, 1], c_index=None)
    assert bird.p_index.tolist() == [1, 1, 0, 0, 1, 1]
    bird, _ = encoder.candidates(images, 2, c_index=torch.tensor([3, 2, 0]))
    assert bird.c_index.tolist() == [3, 3, 2, 2, 0, 0]


def test_inversion_starts_where_the_encoder_says_and_never_ends_worse(generator):
    encoder = train_encoder(generator, QUICK.encoder)
    bird, behind = sample(4, seed=3)
    images = mix(generator, bird, bird, behind).child.image

    def error(steps):
        found, back = invert(generator, images, encoder=encoder, candidates=1, steps=steps, prior=0)
        return (mix(generator, found, found, back).child.image - images).square().mean((1, 2, 3))

    start, end = error(0), error(15)
    assert (end <= start + 1e-6).all() and end.mean() < 0.95 * start.mean()
    found, _ = invert(generator, images, encoder=encoder, candidates=1, steps=0)
    assert found.z.equal(encoder(images).z_bird)


def test_readers_are_trained_once_and_found_again(generator, checkpoint, cache, monkeypatch):
    readers = load_readers(checkpoint, generator, QUICK)
    kept = sorted(path.name for path in (cache / FOLDER).iterdir())
    assert len(kept) == 2 and kept[1] == kept_name(generator, "encoder", QUICK.encoder, 0)
    parent, child = readers.read(torch.zeros(3, 3, 32, 32))
    assert parent.shape == child.shape == (3,)
    monkeypatch.setattr("finegan_lib.applications.readers.train_encoder", None)  # not called
    monkeypatch.setattr("finegan_lib.applications.readers._train_classifiers", None)
    again = load_readers(checkpoint, generator, QUICK)
    for a, b in ((readers.encoder, again.encoder), (readers.child, again.child)):
        assert all(x.equal(y) for x, y in zip(a.parameters(), b.parameters(), strict=True))
    # Beside the checkpoint they are found, too.
    (cache / FOLDER).rename(checkpoint.parent / FOLDER)
    try:
        assert load_readers(checkpoint, generator, QUICK).encoder is not None
    finally:
        (checkpoint.parent / FOLDER).rename(cache / FOLDER)
    with pytest.raises(TypeError):  # another seed: another network
        load_readers(checkpoint, generator, QUICK, seed=1)


def test_a_damaged_one_is_trained_anew_with_a_warning(generator, checkpoint, cache):
    load_readers(checkpoint, generator, QUICK)
    path = cache / FOLDER / kept_name(generator, "encoder", QUICK.encoder, 0)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.warns(UserWarning, match="trained anew"):
        load_readers(checkpoint, generator, QUICK)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_readers(checkpoint, generator, QUICK)


def test_the_command_keeps_them_in_a_folder(checkpoint, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("finegan_lib.applications.readers.ReadersConfig", lambda: QUICK)
    monkeypatch.setattr("finegan_lib.applications.segment.SegmenterConfig", lambda: QUICK_SEGMENTER)
    out = checkpoint.parent / FOLDER  # where they are looked for
    command = ["readers", "--checkpoint", str(checkpoint), "--out", str(out), "--no-progress"]
    try:
        assert main(command) == 0
        kinds = [path.name.partition("_")[0] for path in sorted(out.iterdir())]
        assert kinds == ["classifiers", "encoder", "segmenter"]
        assert "segmenter" in capsys.readouterr().out
    finally:
        shutil.rmtree(out)


def test_the_fingerprint_is_that_of_the_weights(generator):
    before = fingerprint(generator)
    assert before == fingerprint(generator) and len(before) == 16
    weight = generator.child_image.weight
    weight[0, 0, 0, 0] += 1
    assert fingerprint(generator) != before
    weight[0, 0, 0, 0] -= 1
