"""Gold docs → the same docs in other ways of writing → the scores on each."""

import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from ..corpus.docbin import copy_sentence
from .counts import Scores, count_spans, summarize
from .lines import example_to_line
from .predict import read_examples

SHARE = 0.1
"""Share of the words that get a typo, and of the blanks that become wider."""

STRAIGHT = str.maketrans("‘’‚‹›“”„«»", "'''''\"\"\"\"\"")
CURLY = str.maketrans("'\"", "’”")


def swap_letters(word: str, rng: random.Random) -> str:
    """Swap two neighbouring letters in a tenth of the words of four letters or more."""
    if len(word) < 4 or not word.isalpha() or rng.random() >= SHARE:
        return word
    i = rng.randrange(len(word) - 1)
    return word[:i] + word[i + 1] + word[i] + word[i + 2 :]


def lower(word: str, rng: random.Random) -> str:
    """Write a word in lower case."""
    return word.lower()


def upper(word: str, rng: random.Random) -> str:
    """Write a word in capitals."""
    return word.upper()


def capitalize(word: str, rng: random.Random) -> str:
    """Write a word with a capital first letter, as headlines do."""
    return word[:1].upper() + word[1:].lower()


def curl(word: str, rng: random.Random) -> str:
    """Make quotation marks and apostrophes curly."""
    return word.translate(CURLY)


def straighten(word: str, rng: random.Random) -> str:
    """Make quotation marks and apostrophes straight."""
    return word.translate(STRAIGHT)


CHANGES: dict[str, Callable[[str, random.Random], str]] = {
    "lower case": lower,
    "capitals": upper,
    "title case": capitalize,
    "typos": swap_letters,
    "curly quotes": curl,
    "straight quotes": straighten,
}
"""The ways of writing that change single words."""


def change_words(doc: Doc, change: Callable[[str, random.Random], str], rng: random.Random) -> Doc:
    """Change each word of a doc on its own.

    A word stays as it is if its length changes ("ß" in capitals is "SS"), so that every
    entity keeps its place.

    doc (Doc): The doc; only its words and blanks are used.
    change (Callable[[str, Random], str]): Changes one word.
    rng (Random): For changes that are drawn.
    RETURNS (Doc): A new doc.
    """
    words = [token.text for token in doc]
    changed = [change(word, rng) for word in words]
    kept = [new if len(new) == len(old) else old for old, new in zip(words, changed, strict=True)]
    return Doc(doc.vocab, words=kept, spaces=[bool(token.whitespace_) for token in doc])


def widen_blanks(doc: Doc, rng: random.Random) -> Doc:
    """Put another blank or a line break after a tenth of the blanks.

    doc (Doc): The doc; only its words and blanks are used.
    rng (Random): Draws the places.
    RETURNS (Doc): A new doc, in which the added characters are tokens of their own.
    """
    words: list[str] = []
    spaces: list[bool] = []
    for token in doc:
        words.append(token.text)
        spaces.append(bool(token.whitespace_))
        if token.whitespace_ and rng.random() < SHARE:
            words.append(rng.choice((" ", "\n")))
            spaces.append(False)
    return Doc(doc.vocab, words=words, spaces=spaces)


def drop_final_punctuation(doc: Doc) -> Doc:
    """Leave out the last token if it is punctuation outside of an entity.

    doc (Doc): The doc with its gold entities.
    RETURNS (Doc): The doc itself, or a shorter copy with the same entities.
    """
    if len(doc) < 2 or not doc[-1].is_punct or doc[-1].ent_type_:
        return doc
    return copy_sentence(doc[:-1])


def rewrite(references: Iterable[Doc], way: str, *, seed: int = 0) -> list[Example]:
    """Write gold docs in another way.

    references (Iterable[Doc]): Gold docs; they are not changed.
    way (str): "as it is", "no final punctuation", "extra blanks", or a key of `CHANGES`.
    seed (int): Draws the same changes again.
    RETURNS (List[Example]): The docs to predict, without annotation, and the gold docs.
    """
    rng = random.Random(seed)
    examples = []
    for doc in references:
        reference = drop_final_punctuation(doc) if way == "no final punctuation" else doc
        if way == "extra blanks":
            predicted = widen_blanks(reference, rng)
        else:
            predicted = change_words(reference, CHANGES.get(way, keep), rng)
        examples.append(Example(predicted, reference))
    return examples


def keep(word: str, rng: random.Random) -> str:
    """Leave a word as it is."""
    return word


WAYS = ("as it is", *CHANGES, "no final punctuation", "extra blanks")


def score_robustness(nlp: Language, path: Path, *, n_docs: int = 1000) -> Scores:
    """Score a pipeline on the same sentences in several ways of writing.

    nlp (Language): The pipeline.
    path (Path): The gold docs, a `.spacy` file; its own words are used, sentence by sentence.
    n_docs (int): Score at most this many sentences, spread evenly over the corpus.
    RETURNS (Dict[str, Any]): For each of `WAYS`, its micro scores and "n_changed", the number
        of sentences whose text differs.
    """
    numbered = read_examples(nlp, path, gold_words=True)
    references = _spread([eg.reference for _, eg in numbered], n_docs)
    ways: Scores = {}
    for way in WAYS:
        examples = rewrite(references, way)
        texts = [eg.predicted.text for eg in examples]
        docs = nlp.pipe(eg.predicted for eg in examples)
        found = [
            example_to_line(Example(doc, eg.reference))
            for doc, eg in zip(docs, examples, strict=True)
        ]
        micro = summarize(count_spans((line.gold, line.found) for line in found))["micro"]
        changed = sum(text != doc.text for text, doc in zip(texts, references, strict=True))
        ways[way] = {**micro, "n_changed": changed}
    return ways


def _spread(docs: Sequence[Doc], n: int) -> list[Doc]:
    # every k-th doc, so that a corpus in the order of its topics is not cut
    return [docs[i * len(docs) // n] for i in range(n)] if len(docs) > n else list(docs)
