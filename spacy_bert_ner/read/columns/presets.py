"""Column files that say what they are: CoNLL-U, OntoNotes, WebAnno → their layouts."""

import re
from collections import Counter, defaultdict

from ..bytes.source import Source
from ..file_format import FileFormat, Opened
from ..sentence import FormatError, count_things
from ..settings import ReadSettings
from .finder import find_layout
from .layout import Layout
from .reader import open_layout
from .table import Dialect, read_lines
from .tag_forms import BRACKETS, WEBANNO, TagForms, choose_forms

_FIRST_KEYS = ("name", "NER", "Tag", "ner", "NE", "ne")
_WORD_LINE = re.compile(r"\d+([-.]\d+)?\t[^\t]+(\t[^\t]*){7}\t[^\t]*$")
_WEBANNO_LAYER = re.compile(r"#T_(SP|CH|RL)=([^|\n]*)\|?([^\n]*)")


def _is_conllu(source: Source, head: str) -> bool:
    lines = [line for line in head.splitlines()[:50] if line and line[0] != "#"]
    words = [line for line in lines if line[0].isdigit()]
    return bool(words) and all(map(_WORD_LINE.fullmatch, words[:-1] or words))


def _open_conllu(source: Source, settings: ReadSettings) -> Opened:
    if settings.tag_column is not None:
        layout = find_layout(source, settings)
        word = 1 if settings.word_column is None else layout.word
        layout = layout._replace(word=word, misc=9, number=0, number_form=r"\d+")
        return open_layout(source, settings, layout)
    key, forms = _find_misc_key(source, settings.misc)
    layout = Layout(
        dialect=Dialect("\t"),
        n_columns=10,
        word=1,
        tag=9,
        forms=forms,
        misc=9,
        misc_key=key,
        number=0,
        number_form=r"\d+",
        how=f"CoNLL-U: tags are {key}= in column 10 (MISC)",
    )
    return open_layout(source, settings, layout)


def _find_misc_key(source: Source, wanted: str | None) -> tuple[str, TagForms]:
    values: dict[str, Counter[str]] = defaultdict(Counter)
    for _, lines in read_lines(source):
        for line in lines:
            cells = line.split("\t")
            for pair in cells[9].split("|") if len(cells) == 10 else ():
                name, equals, value = pair.partition("=")
                if equals and (len(values) < 100 or name in values) and len(values[name]) < 5_000:
                    values[name][value] += 1
    forms = {name: choose_forms(counts) for name, counts in values.items()}
    fits = [
        name for name, form in forms.items() if form is not None and set(values[name]) - {"O", "_"}
    ]
    if wanted is None:
        wanted = next((name for name in _FIRST_KEYS if name in fits), None)
        wanted = fits[0] if wanted is None and len(fits) == 1 else wanted
    found = forms.get(wanted or "")
    if wanted is None or found is None:
        listed = ", ".join(list(values)[:20]) or "no key"
        raise FormatError(
            source.name,
            f"CoNLL-U with {listed} in MISC, expected one key with tags such as name=B-PER. Name "
            "the key with `misc`, or the column of the tags with `tag_column`.",
            advice=[{"misc": name} for name in fits],
        )
    return wanted, found


def _is_ontonotes(source: Source, head: str) -> bool:
    return head.startswith("#begin document")


def _open_ontonotes(source: Source, settings: ReadSettings) -> Opened:
    layout = Layout(
        dialect=Dialect(""),
        n_columns=12,
        word=3,
        tag=10,
        forms=BRACKETS,
        is_ragged=True,
        how="CoNLL-2012: words in column 4, OntoNotes' brackets in column 11; of nested entities "
        "the outermost counts",
    )
    return open_layout(source, settings, layout)


def _is_webanno(source: Source, head: str) -> bool:
    return head.startswith("#FORMAT=WebAnno TSV")


def _open_webanno(source: Source, settings: ReadSettings) -> Opened:
    with source.open_text() as file:
        head = [line for line, _ in zip(file, range(1_000), strict=False)]
    columns = []
    for kind, layer, features in (m.groups() for m in map(_WEBANNO_LAYER.match, head) if m):
        names = [name for name in features.split("|") if name]
        columns += [f"{layer}|{name}" for name in names or [""]] + [layer] * (kind == "RL")
    wanted = next((i for i, name in enumerate(columns) if name.endswith("NamedEntity|value")), None)
    asked = settings.tag_column
    tag = 3 + (wanted or 0)
    if asked is not None:
        tag = asked - 1 if asked > 0 else 3 + len(columns) + asked
    first = head[0].strip() if head else ""
    if not first.startswith("#FORMAT=WebAnno TSV 3"):
        text = f"'{first[:60]}', expected WebAnno TSV 3. Export the annotation as WebAnno TSV 3."
        raise FormatError(source.name, text, line=1)
    if not 3 <= tag < 3 + len(columns):
        raise FormatError(
            source.name,
            f"WebAnno TSV 3 with {count_things(len(columns), 'layer')}, expected that of the "
            "entities. Set `tag_column` to the column of a layer (from 4 on), or export the "
            "annotation with its layer of named entities.",
        )
    layout = Layout(
        dialect=Dialect("\t"),
        n_columns=max(3 + len(columns), tag + 1),
        word=2,
        tag=tag,
        forms=WEBANNO,
        is_ragged=True,
        number=0,
        number_form=r"\d+-\d+",
        offsets=1,
        how=f"WebAnno TSV 3: tags are {(*columns, 'others')[tag - 3]} in column {tag + 1}",
    )
    return open_layout(source, settings, layout)


PRESET_FORMATS = (
    FileFormat("webanno", _is_webanno, _open_webanno),
    FileFormat("ontonotes", _is_ontonotes, _open_ontonotes),
    FileFormat("conllu", _is_conllu, _open_conllu),
)
"""The formats, in the order in which they are recognised."""
