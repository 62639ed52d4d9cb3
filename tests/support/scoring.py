"""Scores of single words: by Hugging Face alone, and by one of our pipelines."""

import numpy as np
import torch
from spacy.tokens import Doc
from transformers import AutoModelForTokenClassification, AutoTokenizer

WORDS = ["Alex", "lives", "in", "London", ",", "Iraq", "'s", "Mike", "began"]
FLOAT32 = {"components.transformer.model.compute_dtype": "float32"}


def read_pieces(folder, text):
    """The logits of a text's pieces, by transformers alone, and the pieces' offsets."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForTokenClassification.from_pretrained(folder).eval()
    encoding = tokenizer(text, return_tensors="pt", return_offsets_mapping=True)
    with torch.no_grad():
        logits = model(encoding["input_ids"], encoding["attention_mask"]).logits[0]
    return logits.numpy(), encoding


def score_alone(folder, words):
    """The logits of each word's first piece."""
    logits, encoding = read_pieces(folder, " ".join(words))
    starts = np.cumsum([0, *(len(word) + 1 for word in words[:-1])]).tolist()
    firsts = [encoding.char_to_token(start) for start in starts]
    # a blank that is a piece of its own is the word's first
    tokens = encoding.tokens()
    return logits[[i - (tokens[i - 1] in ("Ġ", "▁")) for i in firsts]]


def score_here(nlp, words, name="ner"):
    doc = nlp.get_pipe("transformer")(Doc(nlp.vocab, words=words))
    return nlp.get_pipe(name).score_tags([doc])[1]
