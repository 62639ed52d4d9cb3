"""flair: `TransformerWordEmbeddings` and a `SequenceTagger`, fine-tuned as its tutorial does."""

from pathlib import Path

import flair
import torch
from child import run
from flair.data import Corpus, Sentence
from flair.datasets import FlairDatapointDataset
from flair.embeddings import TransformerWordEmbeddings
from flair.models import SequenceTagger
from flair.trainers import ModelTrainer

flair.device = torch.device("cpu")


def train(sentences, encoder, epochs, seed, folder):
    """Fine-tune the encoder with a linear layer, without CRF, RNN or reprojection."""
    flair.set_seed(seed)
    data = []
    for words, spans in sentences:
        sentence = Sentence(words, use_tokenizer=False)
        for start, end, label in spans:
            sentence[start:end].add_label("ner", label)
        data.append(sentence)
    # flair draws a dev set from the training data unless it gets one; ours is scored outside.
    corpus = Corpus(FlairDatapointDataset(data), sample_missing_splits=False)
    labels = corpus.make_label_dictionary("ner", add_unk=False)
    embeddings = TransformerWordEmbeddings(
        encoder, layers="-1", subtoken_pooling="first", fine_tune=True
    )
    tagger = SequenceTagger(
        hidden_size=256,
        embeddings=embeddings,
        tag_dictionary=labels,
        tag_type="ner",
        use_crf=False,
        use_rnn=False,
        reproject_embeddings=False,
    )
    ModelTrainer(tagger, corpus).fine_tune(
        folder, learning_rate=2e-4, mini_batch_size=32, max_epochs=epochs
    )


def load(folder):
    """Load the last weights."""
    tagger = SequenceTagger.load(str(Path(folder) / "final-model.pt"))

    def read(texts):
        tagger.predict([Sentence(text) for text in texts], mini_batch_size=32)

    def find(sentences):
        data = [Sentence(words, use_tokenizer=False) for words in sentences]
        tagger.predict(data, mini_batch_size=32)
        return [
            [[s.tokens[0].idx - 1, s.tokens[-1].idx, s.tag] for s in x.get_spans("ner")]
            for x in data
        ]

    return read, find


if __name__ == "__main__":
    run(train, load)
