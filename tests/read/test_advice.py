"""What each message of reading and converting advises is done, and the data are read then."""

import ast
import gzip
import json
import re
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab
from support import samples
from support.samples import csv_text, json_lines

import spacy_bert_ner.read.records.json_values as json_values
from spacy_bert_ner.convert.convert import convert
from spacy_bert_ner.convert.datasets import find_inputs
from spacy_bert_ner.convert.settings import Conversion
from spacy_bert_ner.read.sentence import FormatError
from spacy_bert_ner.schemes import tags_to_spans

ROOT = Path(__file__).parents[2] / "spacy_bert_ner"
CONVERTING = {"label_map", "annotated", "docs", "split", "to"}
SETTINGS = {field.name for field in fields(Conversion)}
_ADVICE = re.compile(r"`(\w+) = (\"(?:[^\"\\]|\\.)*\"|[^`]+)`")
GOOD = "Mira B-PER\nleft O\n\nGraz B-LOC\n"
TEXT = {"text": "Mira left Graz.", "label": [[0, 4, "PER"]]}
TOKENS = {"tokens": ["Mira", "left"], "ner_tags": ["B-PER", "O"]}
PIPED = "Mira|N|B-PER left|V|O\n"
ROWS = "text,labels\n"
HEADER = "Sentence #,Word,Tag\n"
ZIP = {"a.conll": GOOD, "b.conll": GOOD}
WEBANNO = "#FORMAT=WebAnno TSV 3.3\n#T_SP=x.Y|z\n\n1-1\t0-4\tMira\tPER\t\n"
MISC = "1\tMira\tMira\tB-PER\t_\t_\t0\troot\t_\t"


def docbin():
    """RETURNS (bytes): A DocBin of one doc."""
    return DocBin(docs=[Doc(Vocab(), ["Mira", "left"], ents=["B-PER", "O"])]).to_bytes()


class Case(NamedTuple):
    """A message, and what it advises.

    data (Any): What the file holds: text, bytes, or a dict of a zip's members.
    message (str): What the message must match.
    fixes (Sequence): What it advises besides the settings at its end: a dict of settings, a
        path that `{path}` begins, or what the file must hold.
    given (Mapping): The settings with which the message comes.
    name (str): The file's name.
    output (str): Where it is converted to, if that matters.
    """

    data: Any
    message: str
    fixes: Sequence[Any] = ()
    given: Mapping[str, Any] = {}
    name: str = "data.txt"
    output: str | None = None


def records(*changes, key="label"):
    """RETURNS (str): JSON lines of a good record, and of it with changes."""
    good = TEXT if key == "label" else TOKENS
    return json_lines([good, *({**good, **change} for change in changes)])


CASES = {
    # bytes
    "no such codec": Case(
        GOOD, "no text encoding .* such as utf-8", [{"encoding": "utf-8"}], {"encoding": "utf-99"}
    ),
    "other codec": Case(
        "é B-PER\n",
        "not ascii: .*Leave `encoding` out",
        [{"encoding": None}],
        {"encoding": "ascii"},
    ),
    "Cyrillic": Case("Мира B-PER\nживёт O\nМоскве B-LOC\n".encode("cp1251"), "Best guesses"),
    "any bytes": Case(b"a O\n\x81\xe9\xff B-LOC\n", "no encoding fits language en"),
    "two encodings": Case(
        "é O\nü O\nö O\n".encode() + b"\xe9 B-PER\n", r"line 4: .*Fix the lines", ["é O\né B-PER\n"]
    ),
    "cut character": Case(
        "Mira B-PER\n\nGraz B-LOCé".encode()[:-1],
        "cut. Fetch it again.*set its `encoding`",
        [GOOD, {"encoding": "latin-1"}],
    ),
    "UTF-16": Case(
        GOOD.encode("utf-16"), "iconv -f utf-16 -t utf-8", [GOOD.encode("utf-16").decode("utf-16")]
    ),
    "ISO-2022": Case("東京 B-LOC\n".encode("iso2022_jp"), "ISO-2022"),
    "NUL": Case("Mira\0 B-PER\n", "export it as text", [GOOD]),
    "binary": Case(
        docbin(),
        "binary data, expected a text file.*Leave `format` out",
        [{"format": None}],
        {"format": "conll"},
        "a.spacy",
    ),
    "Excel": Case(
        b"\xd0\xcf\x11\xe0" + bytes(50),
        "Save the sheet as CSV UTF-8",
        [HEADER + "1,Mira,B-PER\n"],
        name="a.xls",
    ),
    "PDF": Case(b"%PDF-1.4 " + bytes(50), "a binary file, expected text", [GOOD]),
    "zip of none": Case({}, "Pack it again", [{"a.conll": GOOD}], name="data.zip"),
    "zip of two": Case(
        ZIP, "Name the member: data.zip:MEMBER", ["{path}:a.conll"], name="data.zip"
    ),
    "cut zip": Case(
        b"PK\3\4" + bytes(99),
        "damaged zip file .*Fetch it again",
        [ZIP | {"b.conll": None}],
        name="data.zip",
    ),
    "cut gzip": Case(
        gzip.compress(GOOD.encode() * 99)[:60],
        "cut packed data .*Fetch or pack it again",
        [gzip.compress(GOOD.encode())],
        name="a.gz",
    ),
    "no mark of UTF-16": Case(
        GOOD, "not utf-16: .*Leave `encoding` out", [{"encoding": None}], {"encoding": "utf-16"}
    ),
    "separator of Excel": Case(
        "sep=;\nSentence #;Word;Tag\n1;Mira;B-PER\n",
        "line 1: Excel's note .*Remove this line",
        ["Sentence #;Word;Tag\n1;Mira;B-PER\n"],
        name="a.csv",
    ),
    "empty": Case("", "an empty file, expected sentences. Fetch it again", [GOOD]),
    # columns
    "no word": Case(
        "-DOCSTART- O\n\n", "no word in the file, expected a word and its tag a line", [GOOD]
    ),
    "one column": Case(
        "Mira\nleft\n", "a word and its tag in each line, with a tab or blanks", [GOOD]
    ),
    "header alone": Case(
        "a,b\nMira,B-PER\n",
        "Rename the columns, or set `columns`",
        [HEADER + "1,Mira,B-PER\n", {"columns": {"id": "1", "word": "a", "tag": "b"}}],
        name="a.csv",
    ),
    "table of offsets": Case(
        "text,start,end,label\nMira,0,4,PER\n",
        "a table with character offsets, .* Join the rows of each text, and write JSON lines",
        [json_lines([{"text": "Mira", "entities": [[0, 4, "PER"]]}])],
        name="a.csv",
    ),
    "no ids": Case(
        "Word,Tag\nMira,B-PER\n.,O\nGraz,B-LOC\n",
        "Add blank rows, name the column of the sentence's id in `columns`",
        ["Word,Tag\nMira,B-PER\n,\nGraz,B-LOC\n", {"columns": {"id": "1"}}],
    ),
    "no gaps": Case(
        "Mira B-PER\n. O\n" * 600,
        "Put them in, or name the words that end",
        ["Mira B-PER\n\n. O\n\n" * 600],
    ),
    "many tags": Case(
        "".join(f"a B-PER w{i}\n" for i in range(5_002)) + "\nb O x\n",
        "Name the column of the tags with `tag_column`",
        [{"tag_column": 2}],
        {"tag_column": 3},
    ),
    "many tags later": Case(
        "text,labels\n" + "".join(f"a,B-w{i}\n" for i in range(5_003)),
        "more than 5,000 different tags, expected a few",
        ["text,labels\na,B-PER\n"],
    ),
    "no label": Case("Mira B\nLind I\nin O\n", "name no label"),
    "no tag": Case(
        "Mira PER\nGraz LOC\n",
        "Name the column of the tags with `tag_column`, or write",
        [{"tag_column": 2, "bare_labels": True}, GOOD],
    ),
    "two readings": Case(
        "1\tMira\tB-PER\tO\n2\tGraz\tI-PER\tB-LOC\n\n1\tWien\tO\tB-LOC\n", "Say which one counts"
    ),
    "word is tag": Case(
        "B-PER Mira\nO left\n",
        "Set `word_column` to another",
        [{"word_column": 2}],
        {"word_column": 1},
    ),
    "no such column": Case(
        GOOD,
        r"Set `tag_column` to another one \(1 is the first, -1 the last",
        [{"tag_column": -1}],
        {"tag_column": 5},
    ),
    "no named column": Case(
        GOOD,
        "2 columns without a header, and none that `columns` names for the word: 'Wort'",
        [{"columns": {"word": "1"}}, {"columns": {"word": "1", "tag": "2"}}],
        {"columns": {"word": "Wort", "tag": "2"}},
    ),
    "malformed tag": Case(
        GOOD + "\nWien PER\n",
        "expected O, or one of B-.*Fix the tag.*set `format`, `word_column` or `tag_column`",
        [
            GOOD + "\nWien B-PER\n",
            {"format": "conll", "word_column": 1, "tag_column": 2, "skip_bad": True},
        ],
    ),
    "number as tag": Case(
        "Mira 1\nleft 0\n",
        "in their order with `tag_names`, such as O,B-PER,I-PER",
        [{"tag_names": ["O", "B-PER", "I-PER"]}],
    ),
    "cut tag": Case(
        "Graz B-LOC\nWien B-LOCATION\n\nBonn B-LOC",
        "If the tag is whole, end the line",
        ["Graz B-LOC\nWien B-LOCATION\n\nBonn B-LOC\n"],
    ),
    "no first id": Case(
        HEADER + ",Mira,B-PER\n1,left,O\n", "add the id", [HEADER + "1,Mira,B-PER\n1,left,O\n"]
    ),
    "empty word": Case(
        "Mira\tB-PER\n\tO\n",
        "Fill the cell, or remove the row",
        ["Mira\tB-PER\nx\tO\n", "Mira\tB-PER\n"],
        {"tag_column": 2},
    ),
    "more columns": Case(
        GOOD + "\na b O\n", "a word with a blank in it needs tabs", ["Mira\tB-PER\n\na b\tO\n"]
    ),
    "broken quotes": Case(
        'Word,Tag\nMira,B-PER\n,\n"a,O\n',
        "quotes that do not close in the line",
        ['Word,Tag\nMira,B-PER\n,\n"a",O\n'],
        {"quoting": "csv"},
    ),
    "long line": Case(GOOD + "x" * 1_300_000 + " O\n", "Check the line ends", [GOOD]),
    "MISC": Case(
        MISC + "a=B-PER|b=B-PER\n",
        "Name the key with `misc`, or the column of the tags with `tag_column`",
        [{"misc": "a"}, {"tag_column": 4}],
    ),
    "WebAnno 2": Case(
        WEBANNO.replace("3.3", "2.0"), "Export the annotation as WebAnno TSV 3", [WEBANNO]
    ),
    "WebAnno layer": Case(
        WEBANNO, "Set `tag_column` to the column of a layer", [{"tag_column": 4}], {"tag_column": 9}
    ),
    "uneven rows": Case(
        ROWS + "Mira left,B-PER\n",
        "one tag for each word, blanks between. Fix the row",
        [ROWS + "Mira left,B-PER O\n"],
    ),
    "numpy's cut": Case(
        ROWS + "['a' ... 'b'],O\n", "Write the words with blanks between", [ROWS + "a b,B-X O\n"]
    ),
    "broken string": Case(
        ROWS + "\"['\\x']\",O\n",
        "a list with a broken string .*Fix the cell",
        [ROWS + "['x'],B-X\n"],
    ),
    "empty string": Case(
        csv_text([["text", "labels"], ["['a', '']", "O O"]]),
        "an empty word in the list. Fix the cell",
        [ROWS + "['x'],B-X\n"],
    ),
    "wide row": Case(
        ROWS + "a,O,b\nMira,B-PER\n",
        "3 columns, expected 2 as in the header",
        [ROWS + "a,O\nMira,B-PER\n"],
    ),
    "open quote": Case(
        ROWS + '"a,O\nMira,B-PER\n',
        "quotes that close .*Fix the line",
        [ROWS + "a,O\nMira,B-PER\n"],
    ),
    "no text column": Case(
        "a,b\nMira,B-PER\n",
        "expected a header with 'text', 'labels'.*Add or rename the columns",
        [ROWS + "Mira,B-PER\n"],
        {"format": "kaggle-sentences"},
    ),
    "broken pipe": Case(
        PIPED + "left|V\n", r"expected word\|POS\|TAG, blanks between", [PIPED + "left|V|O\n"]
    ),
    "PubTator": Case(
        "1|t|Mira\n",
        "Write JSON lines with `text` and `entities`",
        [json_lines([{"text": "Mira", "entities": [[0, 4, "PER"]]}])],
    ),
    "Python": Case(
        "# data\nTRAIN_DATA = [\n    ('Mira', {'entities': [(0, 4, 'PER')]}),\n]\n",
        "a Python file, .* Write its list, such as TRAIN_DATA, as JSON lines",
        [json_lines([{"text": "Mira", "entities": [[0, 4, "PER"]]}])],
    ),
    "XML": Case(
        "<p>Mira</p>\n",
        "Export CoNLL or JSON lines with `text` and `entities`",
        [GOOD, json_lines([{"text": "Mira", "entities": [[0, 4, "PER"]]}])],
    ),
    # records
    "unknown keys": Case(
        json_lines(
            [{"Data": "Mira left", "Entities": [[0, 4, "PER"]], "w": ["Mira"], "t": ["B-PER"]}]
        ),
        "to 'text' and 'entities', or those of the words and their tags to 'tokens' and 'ner_tags'",
        [
            json_lines([{"text": "Mira left", "entities": [[0, 4, "PER"]]}]),
            json_lines([{"tokens": ["Mira"], "ner_tags": ["B-PER"]}]),
        ],
    ),
    "no text": Case(
        json_lines([{"entities": []}]),
        "text as 'text' and the spans as 'entities': a list of .start, end, label",
        [json_lines([{"text": "Mira", "entities": [[0, 4, "PER"]]}])],
    ),
    "no spans": Case(
        json_lines([{"text": "Mira"}]),
        "Add the spans as 'entities'",
        [json_lines([{"text": "Mira", "entities": [[0, 4, "PER"]]}])],
    ),
    "label of a text": Case(records({"label": ["good"]}), "export one in which spans", [records()]),
    "labels of texts": Case(
        json_lines([{"text": "Mira", "label": "good"}]), "Export one in which spans", [records()]
    ),
    "broken line": Case(records() + "{\n", "broken JSON .*Fix the line or export", [records()]),
    "broken list": Case(
        '[{"text": "a", "label": []}] x', "text after the end of the list", [f"[{records()}]"]
    ),
    "missing comma": Case('[{"text": "a", "label": []} {}]', "expected ','", [f"[{records()}]"]),
    "broken value": Case(
        '[{"text": "a", "label": []}, {"text" 1}]', "broken JSON", [f"[{records()}]"]
    ),
    "deep list": Case(
        '[{"text": "a", "label": ' + "[" * 99_999,
        "lists within lists, too deep",
        [f"[{records()}]"],
    ),
    "long record": Case(
        f'[{records().strip()}, {{"text": "' + "a" * 99_999,
        "Write one JSON object for each text, one per line",
        [records()],
    ),
    "no object": Case(records() + "5\n", "5, expected an object", [records()]),
    "no string": Case(records({"text": 5}), "5 as 'text', expected a text", [records()]),
    "half a pair": Case(
        records({"text": "\ud83d left"}).replace("\ud83d", "\\ud83d"), "Fix the text", [records()]
    ),
    "no list": Case(records({"label": {}}), "an object as 'label', expected a list", [records()]),
    "no offsets": Case(
        records({"label": [{"start": -1, "end": 4, "label": "PER"}]}),
        "whole numbers from 0",
        [records()],
    ),
    "no name": Case(records({"label": [[0, 4, 7]]}), "expected the name of a label", [records()]),
    "short span": Case(
        records({"label": [[0, 4]]}),
        r"expected \[start, end, label\]. Add what is missing",
        [records()],
    ),
    "span outside": Case(records({"label": [[0, 99, "PER"]]}), "offsets within it", [records()]),
    "other text": Case(
        records({"label": [{"start": 0, "end": 4, "label": "PER", "text": "Anna"}]}),
        "hold 'Mira', expected 'Anna'",
        [records()],
    ),
    "data fields": Case(
        json.dumps([{"data": {"a": "x", "b": "y"}, "annotations": [{"result": []}]}]),
        "one named 'text'. Rename the field",
        [samples.label_studio()],
    ),
    "annotator": Case(
        json_lines([{**TEXT, "user": "ann"}]),
        "Correct `annotator`, or leave it out",
        [{"annotator": "ann"}, {"annotator": None}],
        {"annotator": "bob"},
    ),
    "keys later": Case(
        json_lines([TOKENS, {"tokens": 5, "ner_tags": 5}]),
        "a list of words .tokens. and a list of their tags .ner_tags.. Rename the keys",
        [records(key="t")],
    ),
    "uneven lists": Case(
        records({"tokens": ["a"]}, key="t"),
        "one tag for each word. Fix the record",
        [records(key="t")],
    ),
    "empty token": Case(
        records({"tokens": ["a", ""]}, key="t"),
        "Remove it and its tag",
        [records({"tokens": ["a"], "ner_tags": ["O"]}, key="t")],
    ),
    "tags are missing": Case(
        json_lines([TOKENS, {**TOKENS, "ner_tags": None}]),
        r"ner_tags \(nothing\), expected .*Rename the keys, or fix the record",
        [records(key="t")],
    ),
    "no record": Case(
        "[]", "no record with keys.* Write one object for each text", [json.dumps([TEXT])]
    ),
    "record of a word": Case(
        json_lines([{"sentence_id": "1", "word": "Mira", "tag": "B-PER"}]),
        "write the table as CSV, with the columns 'sentence_id', 'word' and 'tag'",
        ["sentence_id,word,tag\n1,Mira,B-PER\n"],
    ),
    "tag is a list": Case(
        json_lines([TOKENS, {"tokens": ["a"], "ner_tags": [True]}]),
        "True as a tag, expected a text such as B-PER",
        [records(key="t")],
    ),
    "tag is a number": Case(
        records({"ner_tags": [1, 0]}, key="t"),
        "with `tag_names`, such as O,B-PER,I-PER",
        [{"tag_names": ["O", "B-PER", "I-PER"]}],
    ),
    "too few names": Case(
        records({"ner_tags": [2, 0]}, key="t"),
        "`tag_names` has 2 names. Add the missing",
        [{"tag_names": ["O", "B-PER", "I-PER"]}],
        {"tag_names": ["O", "B-PER"]},
    ),
    "empty orth": Case(
        samples.spacy_training().replace('"orth": "moved"', '"orth": ""'),
        "Fix the token, or remove it",
        [samples.spacy_training()],
    ),
    "empty word of spans": Case(
        json_lines([{"tokenized_text": ["a", ""], "ner": []}]),
        "an empty word .* Remove it",
        [samples.word_spans()],
    ),
    "span after words": Case(
        json_lines([{"tokenized_text": ["a"], "ner": [[0, 1, "X"]]}]),
        "the end is the last word: correct it",
        [json_lines([{"tokenized_text": ["a"], "ner": [[0, 0, "X"]]}])],
    ),
    "span ends early": Case(
        json_lines([{"tokens": ["a"], "entities": [{"start": 0, "end": 0, "type": "X"}]}]),
        "Correct `end`",
        [json_lines([{"tokens": ["a"], "entities": [{"start": 0, "end": 1, "type": "X"}]}])],
    ),
    "cut DocBin": Case(
        docbin()[:-9],
        "a file that `DocBin.to_disk` wrote. Write it again",
        [docbin()],
        name="a.spacy",
    ),
    "cut Parquet": Case(
        b"PAR1" + bytes(99),
        "or write it as JSON lines with tokens and ner_tags",
        [records(key="t")],
    ),
    # converting
    "only O": Case(
        "Mira O\tB-PER\tO\n",
        "no entity, .* name it with `tag_column`",
        [{"tag_column": 2}],
        {"word_column": 1, "tag_column": 3},
        output="out.spacy",
    ),
    "label map": Case(
        GOOD,
        "Correct the names on the left, or leave them out",
        [{"label_map": {"PER": "X"}}, {"label_map": {}}],
        {"label_map": {"PERS": "X"}},
    ),
    "annotated": Case(
        GOOD,
        "Add the others to the annotated labels, or rename them with a label map",
        [{"annotated": ["PER", "LOC"]}, {"label_map": {"LOC": "PER"}}],
        {"annotated": ["PER"]},
    ),
    "documents": Case(
        GOOD,
        "expected -DOCSTART- lines.*Set `docs` to sentence, or to a number",
        [{"docs": "sentence"}, {"docs": "2"}, f"-DOCSTART- O\n\n{GOOD}"],
        {"docs": "document"},
    ),
    "shares": Case(
        GOOD * 9,
        "such as 80/10/10, or of train/dev such as 90/10",
        [{"split": "80/10/10"}, {"split": "90/10"}],
        {"split": "100"},
    ),
    "one part": Case(GOOD * 9, "Give a split", [{"split": "80/10/10"}], output="corpus"),
    "column file": Case(
        docbin(),
        "cannot hold .*Write .spacy or .jsonl",
        [{"to": "spacy"}, {"to": "spacy-jsonl"}],
        {"to": "conll"},
    ),
}
BLANK = DocBin(docs=[Doc(Vocab(), [" ", "Mira"], spaces=[False, True], ents=["O", "B-PER"])])
CASES["column file"] = CASES["column file"]._replace(data=BLANK.to_bytes(), name="a.spacy")


def put(folder, data, name):
    """RETURNS (Path): The file, with what it must hold."""
    path = folder / name
    if isinstance(data, dict):
        with zipfile.ZipFile(path, "w") as archive:
            for member, text in data.items():
                if text is not None:
                    archive.writestr(member, text)
        return path
    return samples.write(folder, data, name)


def run(path, settings, output):
    """RETURNS (int): Entities that are read, and converted if that matters."""
    if not settings.keys() & CONVERTING and output is None:
        sentences = Conversion(**settings).open(path).sentences()
        return sum(len(tags_to_spans(sentence.tags)) for sentence in sentences)
    endings = {"conll": "out.conll", "spacy": "out.spacy", "spacy-jsonl": "out.jsonl"}
    output = path.parent / endings[settings["to"]] if settings.get("to") else output
    report = convert([path], output, settings=Conversion(**settings), force=True)
    return sum(sum(part["entities"].values()) for part in report["parts"].values())


def get_message(path, case, settings):
    output = path.parent / case.output if case.output else None
    with pytest.raises(ValueError, match=re.compile(case.message, re.DOTALL)) as error:
        run(path, settings, output)
    return str(error.value)


def clean(settings):
    return {name: value for name, value in settings.items() if value is not None}


@pytest.mark.parametrize("name", CASES)
def test_what_a_message_advises_works(tmp_path, monkeypatch, name):
    case = CASES[name]
    monkeypatch.setattr(json_values, "LONGEST_RECORD", 2_000)
    path, given = put(tmp_path, case.data, case.name), clean(case.given)
    message = get_message(path, case, given)
    # the settings at the end of the message, as it spells them
    advised = [
        {key: json.loads(value) for key, value in _ADVICE.findall(item)}
        for item in re.split(r" or (?=`)", message[message.rfind(" Set `") :])
    ]
    output = tmp_path / case.output if case.output else None
    n_read, tried = 0, set()
    for settings in filter(None, advised):
        tried |= settings.keys()
        try:
            n_read += run(path, {**given, **settings}, output)
        except ValueError as err:
            # all that is left may be nothing, or another reading that has faults of its own
            assert str(err) != message
            assert "skip_bad" in settings or len(advised) > 1, settings
    for i, fix in enumerate(case.fixes):
        if isinstance(fix, dict) and (not fix or set(fix) <= SETTINGS):
            tried |= fix.keys()
            assert run(path, clean({**given, **fix}), output), fix
        elif isinstance(fix, str) and fix.startswith("{path}"):
            assert run(Path(fix.format(path=path)), given, output), fix
        else:
            folder = tmp_path / str(i)
            folder.mkdir()
            assert run(put(folder, fix, case.name), given, output), fix
    assert n_read or case.fixes
    if name != "malformed tag" and "The file was taken for rows of cells" in message:
        tried |= {"format", "word_column", "tag_column"}  # that case tries them
    # settings that the message names are among those tried
    assert set(re.findall(r"`(\w+)[ `]", message)) & SETTINGS <= tried | {"text"}


def find_sites():
    """RETURNS (set): Module and function of each message of reading and converting."""
    sites = set()
    for path in [*ROOT.glob("read/**/*.py"), *ROOT.glob("convert/*.py")]:
        for function in ast.walk(ast.parse(path.read_text("utf8"))):
            if isinstance(function, ast.FunctionDef):
                calls = [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
                names = {getattr(call, "id", getattr(call, "attr", "")) for call in calls}
                if names & {"FormatError", "ValueError", "error"}:
                    sites.add((path.name, function.name))
    return sites


ELSEWHERE = {
    # one test each, as they need a folder, a password, a package or a size of their own
    ("brat.py", "read_brat"), ("brat.py", "_read_entities"), ("brat.py", "_list_files"),
    ("tables.py", "_find_files"),
    ("tables.py", "_import_pyarrow"), ("packed.py", "_open_zstd"), ("packed.py", "open_packed"),
    ("languages.py", "make_tokenizer"), ("docbin.py", "__init__"), ("docbin.py", "close"),
    ("datasets.py", "find_inputs"), ("datasets.py", "find_parts"), ("datasets.py", "check_pin"),
    ("settings.py", "check_option"), ("settings.py", "parse_columns"),
    ("settings.py", "__post_init__"), ("data_file.py", "open_data"),
    ("writers.py", "find_written_format"), ("convert.py", "find_part_names"),
    ("survey.py", "survey_file"), ("sentence.py", "__init__"), ("json_values.py", "_make_object"),
}  # fmt: skip


def test_each_message_has_a_case(tmp_path, monkeypatch):
    seen, initialise = set(), FormatError.__init__

    def note(self, *args, **kwargs):
        frame = sys._getframe(1)
        while frame is not None:
            seen.add((Path(frame.f_code.co_filename).name, frame.f_code.co_name))
            frame = frame.f_back
        initialise(self, *args, **kwargs)

    monkeypatch.setattr(FormatError, "__init__", note)
    monkeypatch.setattr(json_values, "LONGEST_RECORD", 2_000)
    for name, case in CASES.items():
        folder = tmp_path / name
        folder.mkdir()
        with pytest.raises(ValueError) as error:
            output = folder / case.output if case.output else None
            run(put(folder, case.data, case.name), clean(case.given), output)
        seen |= {(Path(frame.path).name, frame.name) for frame in error.traceback}
    assert find_sites() - seen - ELSEWHERE == set()
    assert find_sites() >= ELSEWHERE - {("sentence.py", "__init__")}


def test_datasets(tmp_path):
    with pytest.raises(ValueError, match=r"expected es \(Spanish\) or nl"):
        find_inputs("conll2002", str(tmp_path), Conversion())
    assert find_inputs("conll2002", str(tmp_path), Conversion(lang="es")).inputs
    path = samples.write(tmp_path, GOOD, "both-train-dev.conll")
    with pytest.raises(ValueError, match="Rename it, or move it elsewhere"):
        find_inputs("custom", f"{samples.write(tmp_path, GOOD, 'dev.conll').parent}", Conversion())
    path.rename(tmp_path / "train.conll")
    assert len(find_inputs("custom", str(tmp_path), Conversion()).inputs) == 2
