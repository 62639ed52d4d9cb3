"""spacy-huggingface-pipelines: the model of the peer `hugging-face`, read inside spaCy."""

import spacy
from child import run


def train(sentences, encoder, epochs, seed, folder):
    """Refuse: the package does not train."""
    raise SystemExit("spacy-huggingface-pipelines reads models, and trains none.")


def load(folder):
    """Load the folder of a token classifier."""
    nlp = spacy.blank("en")
    settings = {"model": str(folder), "annotate": "ents", "aggregation_strategy": "first"}
    nlp.add_pipe("hf_token_pipe", config=settings)

    def read(texts):
        for _ in nlp.pipe(texts, batch_size=32):
            pass

    def find(sentences):
        docs = nlp.pipe(spacy.tokens.Doc(nlp.vocab, words) for words in sentences)
        return [[[e.start, e.end, e.label_] for e in doc.ents] for doc in docs]

    return read, find


if __name__ == "__main__":
    run(train, load)
