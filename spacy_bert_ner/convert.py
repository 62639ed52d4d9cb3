"""Files of tagged words → Docs with natural spacing → leak-free seeded split → DocBin."""

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from .docbin import DocBinWriter
from .labels import count_bigrams, recognise_scheme, tags_to_spans
from .read import Notes, Sentence, Source, open_source, read_sentences
from .spacing import natural_spaces
from .split import PARTS, parse_split, sample, split_units

_LEFT_OUT = -1


@dataclass
class FileFacts:
    """What the first pass over one input file found; bounded by its number of sentences."""

    source: Source
    bigrams: Counter = field(default_factory=Counter)
    scheme: str = ""
    keys: array = field(default_factory=lambda: array("q"))
    lengths: array = field(default_factory=lambda: array("l"))
    notes: Notes = field(default_factory=Notes)


@dataclass
class PartFacts:
    """Counts of one written part."""

    path: str
    docs: int = 0
    sentences: int = 0
    tokens: int = 0
    entities: Counter = field(default_factory=Counter)


def convert(
    inputs: Sequence[str | Path],
    output: str | Path,
    *,
    split: str | None = None,
    seed: int = 0,
    encoding: str | None = None,
    spacing: str = "natural",
    label_map: Mapping[str, str] | None = None,
    limit: int = 0,
    limit_dev: int = 0,
    limit_test: int = 0,
) -> dict:
    """Convert BIO data to DocBin, and say what was in it."""
    files = [survey_file(open_source(path, encoding=encoding)) for path in inputs]
    shares = parse_split(split) if split else (1.0,)
    keys = [key for file in files for key in file.keys]
    lengths = [length for file in files for length in file.lengths]
    parts = split_units(keys, shares, seed=seed)
    for number, n in enumerate((limit, limit_dev, limit_test)[: len(shares)]):
        members = [i for i, part in enumerate(parts) if part == number]
        kept = set(sample(members, n, seed=seed))
        for i in members:
            if i not in kept:
                parts[i] = _LEFT_OUT
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    facts = []
    with ExitStack() as stack:
        writers = []
        for number, part in enumerate(PARTS[: len(shares)]):
            n_tokens = sum(n for n, p in zip(lengths, parts) if p == number)
            writer = DocBinWriter(output / f"{part}.spacy", n_tokens=n_tokens)
            writers.append(writer)
            facts.append(PartFacts(path=str(writer.path)))
            stack.callback(writer.discard)
        sentences = (s for file in files for s in read_sentences(file.source))
        for part, sentence in zip(parts, sentences, strict=True):
            if part == _LEFT_OUT:
                continue
            spans = tags_to_spans(sentence.tags)
            if label_map:
                spans = [(a, b, label_map.get(label, label)) for a, b, label in spans]
            writers[part].add(sentence.words, natural_spaces(sentence.words), spans, {0})
            fact = facts[part]
            fact.docs += 1
            fact.sentences += 1
            fact.tokens += len(sentence.words)
            fact.entities.update(label for _, _, label in spans)
        for writer in writers:
            writer.close()
        stack.pop_all()
    return {
        "files": [
            {
                "name": f.source.name,
                "sha256": f.source.sha256,
                "encoding": f.source.encoding,
                "scheme": f.scheme,
                "sentences": len(f.keys),
                "tokens": sum(f.lengths),
            }
            for f in files
        ],
        "parts": {
            name: {
                "docs": f.docs,
                "sentences": f.sentences,
                "tokens": f.tokens,
                "entities": dict(f.entities),
            }
            for name, f in zip(PARTS, facts)
        },
        "repeated_sentences": len(keys) - len(set(keys)),
    }


def survey_file(source: Source) -> FileFacts:
    """Pass over a file once: scheme, sentence keys and lengths."""
    facts = FileFacts(source)
    for sentence in read_sentences(source, notes=facts.notes):
        facts.keys.append(hash(tuple(sentence.words)))
        facts.lengths.append(len(sentence.words))
        count_bigrams(facts.bigrams, sentence.tags)
    facts.scheme = recognise_scheme(facts.bigrams)
    return facts
