"""The batches of all epochs: in spaCy's order, and the same from any place."""

import random
from itertools import islice

import pytest
from spacy.training.loop import create_train_batches

from spacy_bert_ner.train.epochs import Progress, iterate_batches
from spacy_bert_ner.train.state import read_random


class Reader:
    """Draws other examples at each call, from random numbers of its own."""

    def __init__(self):
        self.rng = random.Random(1)
        self.n_calls = 0

    def __call__(self, nlp=None):
        self.n_calls += 1
        for i in range(10):
            yield i, self.rng.random()


def cut(examples):
    """Cut batches as a batcher that draws from Python's random numbers."""
    examples = list(examples)
    rng = random.Random(random.getrandbits(64))
    while examples:
        n = rng.randint(1, 4)
        yield examples[:n]
        examples = examples[n:]


def take(reader, n, **settings):
    progress = settings.pop("progress", Progress())
    taken = []
    for found in islice(iterate_batches(reader, cut, progress=progress, **settings), n):
        progress.step += 1
        taken.append(found)
    return taken, progress


@pytest.mark.parametrize("max_epochs", [-1, 0, 3])
def test_order_is_spacys(max_epochs):
    random.seed(5)
    expected = list(islice(create_train_batches(None, Reader(), cut, max_epochs), 30))
    random.seed(5)
    assert take(Reader(), 30, max_epochs=max_epochs)[0] == expected


@pytest.mark.parametrize("max_epochs", [-1, 0])
@pytest.mark.parametrize("n", [1, 4, 11])
def test_resumed_epochs_go_on_where_they_stopped(max_epochs, n):
    random.seed(5)
    expected, _ = take(Reader(), 30, max_epochs=max_epochs)
    random.seed(5)
    before, progress = take(Reader(), n, max_epochs=max_epochs)
    state = read_random()
    random.seed(6)
    after, _ = take(Reader(), 30 - n, max_epochs=max_epochs, progress=progress, random_state=state)
    assert before + after == expected


def test_a_stream_is_read_again_in_each_epoch():
    reader = Reader()
    batches, progress = take(reader, 30, max_epochs=-1)
    assert reader.n_calls == progress.epoch + 1 > 2
    assert len({eg for _, batch in batches for eg in batch}) > 20


@pytest.mark.parametrize("max_epochs", [-1, 0])
def test_no_examples_is_an_error(max_epochs):
    with pytest.raises(ValueError, match="E986"):
        take(list, 1, max_epochs=max_epochs)


def test_other_examples_than_before_are_an_error():
    _, progress = take(Reader(), 3, max_epochs=0)
    with pytest.raises(ValueError, match="has 3 examples, but it had 10"):
        take(lambda: [1, 2, 3], 1, max_epochs=0, progress=progress)
