"""Sentences of tagged words → what a Doc is made of → Doc."""

from collections.abc import Mapping, Sequence

from spacy.tokens import Doc
from spacy.tokens import Span as DocSpan
from spacy.vocab import Vocab

from ..read.sentence import DocData, Sentence
from ..schemes import Span, tags_to_spans
from .annotated import ANNOTATED_KEY
from .spacing import Spacer


def sentences_to_doc_data(
    sentences: Sequence[Sentence],
    *,
    spacer: Spacer | None,
    label_map: Mapping[str, str] | None = None,
    annotated: Sequence[str] = (),
) -> DocData:
    """Join sentences to one Doc, a blank between them.

    sentences (Sequence[Sentence]): One or more, in order.
    spacer (Spacer | None): Gives natural spacing to words whose file does not know it;
        without one, each word has a blank after it.
    label_map (Mapping[str, str] | None): Label in the file → label of the entity.
    annotated (Sequence[str]): The only labels that were annotated; none if all were.
    RETURNS (DocData): The parts of the Doc.
    """
    words: list[str] = []
    spaces: list[bool] = []
    spans: list[Span] = []
    starts: list[int] = []
    missing: list[int] = []
    groups: dict[str, list[Span]] = {}
    for sentence in sentences:
        offset = len(words)
        if sentence.spaces is None and spaces:
            spaces[-1] = True
        if not sentence.is_text:
            starts.append(offset)
        words.extend(sentence.words)
        spaces.extend(_find_spaces(sentence, spacer))
        for start, end, label in tags_to_spans(sentence.tags):
            label = label_map.get(label, label) if label_map else label
            spans.append((start + offset, end + offset, label))
        for label in annotated:
            groups.setdefault(ANNOTATED_KEY, []).append((offset, len(words), label))
        if sentence.missing:
            missing.extend(i + offset for i in sentence.missing)
        for name, group in sentence.groups.items():
            moved = ((start + offset, end + offset, label) for start, end, label in group)
            groups.setdefault(name, []).extend(moved)
    if groups:
        groups = _cut_groups(groups, len(words))
    return DocData(words, spaces, spans, starts, tuple(missing), groups)


def doc_data_to_doc(data: DocData, vocab: Vocab) -> Doc:
    """Make the Doc.

    data (DocData): Its parts.
    vocab (Vocab): Its vocabulary.
    RETURNS (Doc): With entities, and sentence starts if they are marked.
    """
    tags = ["O"] * len(data.words)
    for i in data.missing:
        tags[i] = ""  # spaCy's sign for a token that nobody annotated
    for start, end, label in data.spans:
        tags[start:end] = [f"B-{label}"] + [f"I-{label}"] * (end - start - 1)
    starts = set(data.starts)
    doc = Doc(
        vocab,
        words=data.words,
        spaces=data.spaces,
        ents=tags,
        sent_starts=[i in starts for i in range(len(tags))] if starts else None,
    )
    for name, group in data.groups.items():
        doc.spans[name] = [DocSpan(doc, start, end, label) for start, end, label in group]
    return doc


def _cut_groups(groups: dict[str, list[Span]], length: int) -> dict[str, list[Span]]:
    # spans that end after the doc, in a sentence that became another doc, cannot be kept
    return {name: [span for span in group if span[1] <= length] for name, group in groups.items()}


def _find_spaces(sentence: Sentence, spacer: Spacer | None) -> list[bool]:
    if sentence.spaces is not None:
        return sentence.spaces
    if spacer is not None:
        return spacer.find_spaces(sentence.words)
    return [True] * (len(sentence.words) - 1) + [False]
