"""Tags in any BIO scheme ↔ spans, and which scheme a file uses."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

Span = tuple[int, int, str]
"""Start word, end word (exclusive), label."""

Bigrams = Counter[tuple[str, str]]
"""How often each tag follows another one; "" is the beginning or end of a sentence."""

SCHEMES = ("IO", "IOB1", "IOB2", "BIOES", "BILOU")
"""The tag schemes that can be read and written."""

_PREFIXES = {"IO": "I", "IOB1": "IB", "IOB2": "BI", "BIOES": "BIES", "BILOU": "BILU"}
_TO_BIOES = {"U": "S", "L": "E"}
_TAG = re.compile(r"O|[BIESLU]-\S(.*\S)?")

KAGGLE_TO_ONTONOTES: Mapping[str, str] = {
    "geo": "GPE",
    "org": "ORG",
    "per": "PERSON",
    "gpe": "NORP",
    "tim": "DATE",
    "art": "WORK_OF_ART",
    "eve": "EVENT",
    "nat": "EVENT",
}
"""Labels of the Kaggle corpus → the nearest labels of OntoNotes, as in spaCy's pipelines."""


def is_tag(tag: str) -> bool:
    """Whether a tag is well formed: `O`, or one of B I E S L U, `-` and a label."""
    return _TAG.fullmatch(tag) is not None


def tags_to_spans(tags: Sequence[str]) -> list[Span]:
    """Read the spans of one sentence's tags, in any scheme.

    One lenient rule fits every scheme, that of the CoNLL scorer: an entity starts at
    `B` or `S`, and at any tag that does not continue an entity with the same label; it
    ends after `E`, `L`, `S`, `U` or where the next one starts.

    tags (Sequence[str]): Well-formed tags, one per word.
    RETURNS (list[Span]): The spans, in order, without overlaps.

    EXAMPLE:
        >>> tags_to_spans(["I-PER", "I-PER", "O", "S-LOC", "B-LOC"])
        [(0, 2, 'PER'), (3, 4, 'LOC'), (4, 5, 'LOC')]
    """
    spans: list[Span] = []
    start, last, label = -1, -1, ""
    for i, tag in [(i, tag) for i, tag in enumerate(tags) if tag != "O"]:
        if start >= 0 and (i > last + 1 or tag[0] in "BSU" or tag[2:] != label):
            spans.append((start, last + 1, label))
            start = -1
        if start < 0:
            start, label = i, tag[2:]
        if tag[0] in "ESLU":
            spans.append((start, i + 1, label))
            start = -1
        last = i
    if start >= 0:
        spans.append((start, last + 1, label))
    return spans


def spans_to_tags(spans: Iterable[Span], length: int, *, scheme: str = "IOB2") -> list[str]:
    """Write spans as one tag per word: the inverse of `tags_to_spans`.

    `IO` can't separate neighbours with the same label: they become one entity.

    spans (Iterable[Span]): Spans that do not overlap.
    length (int): Number of words.
    scheme (str): One of `SCHEMES`.
    RETURNS (list[str]): The tags.
    RAISES (ValueError): If the scheme is unknown, or a span leaves the sentence or
        overlaps another one.

    EXAMPLE:
        >>> spans_to_tags([(0, 2, "PER"), (3, 4, "LOC")], 4, scheme="BIOES")
        ['B-PER', 'E-PER', 'O', 'S-LOC']
    """
    if scheme not in SCHEMES:
        raise ValueError(f"Tag scheme '{scheme}', expected one of {', '.join(SCHEMES)}.")
    tags = ["O"] * length
    for start, end, label in spans:
        if not 0 <= start < end <= length or any(tag != "O" for tag in tags[start:end]):
            raise ValueError(
                f"Span ({start}, {end}, {label!r}) in a sentence of {length} words is empty, "
                "leaves the sentence or overlaps another span."
            )
        follows = start > 0 and tags[start - 1][2:] == label
        first, inner, last, single = _span_prefixes(scheme, follows)
        tags[start:end] = [f"{inner}-{label}"] * (end - start)
        tags[start], tags[end - 1] = f"{first}-{label}", f"{last}-{label}"
        if end - start == 1:
            tags[start] = f"{single}-{label}"
        elif scheme in ("IOB1", "IOB2", "IO"):
            tags[start] = f"{first}-{label}"
    return tags


def _span_prefixes(scheme: str, follows: bool) -> tuple[str, str, str, str]:
    # prefixes of the first, an inner, the last and a single word
    if scheme == "IO" or (scheme == "IOB1" and not follows):
        return "I", "I", "I", "I"
    if scheme in ("IOB1", "IOB2"):
        return "B", "I", "I", "B"
    return ("B", "I", "E", "S") if scheme == "BIOES" else ("B", "I", "L", "U")


def count_bigrams(bigrams: Bigrams, tags: Sequence[str]) -> None:
    """Count the pairs of neighbouring tags of a sentence, or of several with "" between them."""
    bigrams.update(zip(("", *tags), (*tags, ""), strict=True))


def recognise_scheme(bigrams: Bigrams) -> str:
    """Recognise the scheme of a whole file.

    `E` or `S` means BIOES, `L` or `U` means BILOU, and `I` alone means IO. With `B` and
    `I`, their positions decide: in IOB2, `I` never starts an entity; in IOB1, `B` only
    separates neighbours with the same label. The majority counts, so a few strays do
    not matter.

    bigrams (Bigrams): Pairs of neighbouring tags in the file.
    RETURNS (str): One of `SCHEMES`; IOB2 for a file with no entity.
    RAISES (ValueError): If the file has tags of both BIOES and BILOU.
    """
    prefixes = {tag[0] for pair in bigrams for tag in pair if tag}
    if prefixes & set("ES") and prefixes & set("LU"):
        raise ValueError(
            "Tags of two schemes in one file: E-/S- (BIOES) and L-/U- (BILOU), expected one. "
            "Use the same scheme for all tags."
        )
    if prefixes & set("LU"):
        return "BILOU"
    if prefixes & set("ES"):
        return "BIOES"
    if "B" not in prefixes:
        return "IO" if "I" in prefixes else "IOB2"
    i_starts = sum(n for (a, b), n in bigrams.items() if b[:1] == "I" and not _same_label(a, b))
    b_alone = sum(n for (a, b), n in bigrams.items() if b[:1] == "B" and not _same_label(a, b))
    return "IOB1" if i_starts > b_alone else "IOB2"


def count_entities(bigrams: Bigrams) -> Counter[str]:
    """Count the entities that `tags_to_spans` reads from such tags, by label."""
    counts: Counter[str] = Counter()
    for (before, tag), n in bigrams.items():
        if tag not in ("", "O") and (tag[0] in "BSU" or not _same_label(before, tag)):
            counts[tag[2:]] += n
    return counts


def count_strays(bigrams: Bigrams, scheme: str) -> int:
    """Count the pairs of neighbouring tags that the scheme does not allow."""
    return sum(n for (a, b), n in bigrams.items() if not _is_valid_pair(a, b, scheme))


def find_strays(tags: Sequence[str], scheme: str) -> list[int]:
    """Find the words whose tag differs from the scheme's tag for the same spans.

    tags (Sequence[str]): One sentence's tags.
    scheme (str): The file's scheme.
    RETURNS (list[int]): Positions of the words, in order; empty if all tags fit.
    """
    clean = spans_to_tags(tags_to_spans(tags), len(tags), scheme=scheme)
    return [i for i, (found, wanted) in enumerate(zip(tags, clean, strict=True)) if found != wanted]


def parse_label_map(text: str | None) -> dict[str, str]:
    """Parse pairs such as `geo=GPE,per=PERSON`, or the name of a predefined map.

    text (str | None): Pairs, `ontonotes` for `KAGGLE_TO_ONTONOTES`, or `None`.
    RETURNS (dict[str, str]): Label in the file → label to write.
    RAISES (ValueError): If a pair is not `old=new`, or an old label is repeated.
    """
    if not text:
        return {}
    if text == "ontonotes":
        return dict(KAGGLE_TO_ONTONOTES)
    mapping: dict[str, str] = {}
    for pair in text.split(","):
        old, equals, new = (part.strip() for part in pair.partition("="))
        if not (old and equals and new) or old in mapping:
            raise ValueError(
                f"Label map: found '{pair}', expected pairs like geo=GPE,per=PERSON, "
                "with each old label only once, or the name of a predefined map: ontonotes."
            )
        mapping[old] = new
    return mapping


def _same_label(before: str, tag: str) -> bool:
    # whether an entity of the tag's label may still be open after `before`
    return before[:1] in ("B", "I") and before[2:] == tag[2:]


def _is_valid_pair(before: str, tag: str, scheme: str) -> bool:
    if scheme == "IO":
        return True
    if scheme in ("IOB1", "IOB2"):
        needs_open = "B" if scheme == "IOB1" else "I"
        return tag[:1] != needs_open or _same_label(before, tag)
    if before[:1] in ("B", "I"):
        return tag[:1] in ("I", "E", "L") and before[2:] == tag[2:]
    return tag[:1] not in ("I", "E", "L")
