"""The samples of every format → docs/data.md. Write it: `cd tests; python -m support.data_page`."""

import shutil
import tempfile
from pathlib import Path

from spacy_bert_ner.read.data_file import FORMATS, open_data
from spacy_bert_ner.read.sentence import FormatError
from spacy_bert_ner.read.writers import WRITTEN_FORMATS
from support import samples

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "data.md"
INTRO = """# Data formats

`convert`, `doctor-data` and the reader `spacy-bert-ner.Corpus.v1` read these formats. The
content of a file decides which one it is; `--format NAME` forces one. Files may be packed
(`.gz`, `.zip` and others). This page is made from the samples of the tests: `cd tests; python
-m support.data_page`.

{counts}

{table}

## What is true of all formats

- A file that cannot be read gives one message with its faults: the first ten with their places,
  then counts by kind. `--skip-bad` leaves such sentences or records out and counts them.
- Losses are counted in the report: spans that overlap a longer one, second labels of a region,
  spans of invisible characters only, span groups that a format cannot hold.
- Files of one JSON list are read item by item, files of JSON lines line by line: memory does
  not grow with the file. An object that holds a list (NER Annotator, Rasa) is read as a whole.

## What annotation tools mean

- **Offsets.** Doccano and other tools that run in a browser count UTF-16 units, in which an
  emoji is two; others count bytes, take a line end `\\r\\n` for one character, or give the last
  character as the end. All these are tried: if characters cut words and another way does not, it
  is used, and the report says so. If a tool gives the text of each span, this text decides.
- **Binary answers.** An accepted answer of Prodigy's `ner.teach` says something about its spans
  only. Answers about one text are put together, and all other words count as *missing*, not as
  `O`. Such words are not trained on. `.spacy` and Prodigy files keep them so.
- **Several annotators.** Of several annotations of one text, the one marked as `ground_truth`
  counts, else the first; `--annotator NAME` chooses a person. The report counts the entities
  that the annotations share, and lists those that only one has.
- **Blanks.** Blanks and zero-width characters at the ends of a span are trimmed. Blanks that
  Label Studio trims or joins in a span's text do not matter. Tokens of a tool that begin with a
  blank keep the text as it is.
- **Numbers as tags.** Parquet and Arrow files that `datasets` wrote name their tags. For JSON,
  give the names: `--tag-names O,B-PER,I-PER,B-LOC,I-LOC`. Words with the tag -100 or null count
  as missing.

## Languages without blanks

With `--lang zh` (`ja`, `th`, `lo`, `km`, `my`), words and characters are joined without blanks,
except between two words of another script. spaCy's tokenizers for `ja`, `ko`, `th` and `vi`
need a package; the error names it. Files of words convert without it; then the borders of
entities are not checked.

## The way back

`--to NAME` writes one of: {written}. What was written reads back the same; a format without
tokens (Doccano, Label Studio) keeps the text and the offsets.
"""
WHAT = {
    "spacy": "spaCy's `DocBin`, with its span groups and missing annotation.",
    "parquet": "A Parquet or Arrow file, or the folder of a data set that `datasets` saved; needs "
    "`pip install 'pyarrow>=15'`.",
    "spacy-jsonl": '`Doc.to_json`, one per line, or `[text, {"entities": …}]` pairs: lines, a list '
    "(`TRAIN_DATA`), or NER Annotator's object.",
    "prodigy": "Prodigy's `db-out`, lines or a list.",
    "label-studio": "Label Studio's JSON or JSON-MIN.",
    "dataturks": "Dataturks; the end is the last character.",
    "cluener": "CLUENER; the end is the last character.",
    "doccano": "Doccano, lines or a list: `[start, end, label]` lists or objects; Argilla.",
    "entities": "Texts with span objects: `span`, or `start` and `end`; `type` or `label`; "
    "`offset` and `length`; Azure, Rasa, UBIAI.",
    "spacy-training": "spaCy 2's training JSON.",
    "hf-tokens": "`tokens` and `ner_tags`, or `words` and `tags`: lines, a list, or columns; "
    "Kaggle's PII data; "
    "what the viewer of Hugging Face's hub gives.",
    "brat": "brat's `.ann` files, each next to its `.txt`, or a folder of them.",
    "word-spans": "Words, and entities that count words: GLiNER, SpERT, DyGIE, W2NER.",
    "webanno": "WebAnno and INCEpTION, TSV 3.",
    "ontonotes": "OntoNotes' `.gold_conll`: entities in brackets.",
    "conllu": "CoNLL-U: the tag is in MISC, `name=`, `NER=` or any key with `--misc`. Multiword "
    "tokens are words.",
    "text-rows": "CSV with a header: one text a row, and its spans in a cell, as JSON or as Python "
    "prints a list; Label Studio's CSV.",
    "kaggle-tokens": "CSV with a header: one word a row.",
    "kaggle-sentences": "CSV with a header: one sentence a row.",
    "wikiner": "One sentence a line: `word\\|POS\\|TAG`.",
    "word-tag": "One sentence a line: `word/TAG` or `word_TAG`; Stanford, MSRA.",
    "conll": "Columns: one word a line, blank lines between sentences.",
}


DIALECTS = {
    "inception": "#FORMAT=WebAnno TSV 3.3\n#T_SP=webanno.custom.Entity|value\n\n\n#Text=Anna Berg\n"
    "1-1\t0-4\tAnna\tPER[1]\t\n1-2\t5-9\tBerg\tPER[1]\t\n",
    "brackets": "#begin document (a); part 000\na 0 0 Anna NNP (TOP(NP* - - - - (PERSON* -\n"
    "a 0 1 Berg NNP *)) - - - - *) -\n\n#end document\n",
    "misc": "# text = Anna Berg\n1\tAnna\tAnna\tPROPN\t_\t_\t0\troot\t_\tname=B-PER\n"
    "2\tBerg\tBerg\tPROPN\t_\t_\t1\tflat\t_\tname=I-PER\n",
}


def make_page():
    """RETURNS (str): The page."""
    forms = find_samples()
    written = ", ".join(WRITTEN_FORMATS)
    parts = [INTRO.format(counts=count_recognised(forms), table=make_table(), written=written)]
    for name in FORMATS:
        found = [text for kind, text in forms.values() if kind == name]
        parts += [f"## `{name}`\n"] * bool(found)
        for text in found[:2]:
            lines = [line[:96] + " …" * (len(line) > 96) for line in text.splitlines()[:4]]
            parts.append("```\n" + "\n".join(lines).rstrip() + "\n```\n")
    return "\n".join(parts)


def make_table():
    """RETURNS (str): A row for each format: its name, what it is, and the flag that writes it."""
    rows = ["| format | what it is | written with |", "| --- | --- | --- |"]
    for name in FORMATS:
        flag = f"`--to {name}`" if name in WRITTEN_FORMATS else ""
        rows.append(f"| `{name}` | {WHAT.get(name, '')} | {flag} |")
    return "\n".join(rows)


def find_samples():
    """RETURNS (dict): Name of each sample → its format as recognised, and its text."""
    texts = {**samples.TOKEN_FORMATS, **samples.TEXT_FORMATS, **samples.RECORD_FORMATS, **DIALECTS}
    found = {}
    folder = Path(tempfile.mkdtemp())
    for name, text in texts.items():
        path = samples.write(folder, text, f"{name}.txt")
        try:
            found[name] = (open_data(path).format, text)
        except FormatError:
            found[name] = ("", text)
    shutil.rmtree(folder)
    return found


def count_recognised(forms):
    """RETURNS (str): How many samples are recognised."""
    n_right = sum(kind != "" for kind, _ in forms.values())
    return (
        f"Of the {len(forms)} text samples of the tests, one file each and none named after its "
        f"format, {n_right} are recognised without `--format`."
    )


if __name__ == "__main__":
    PAGE.write_text(make_page(), encoding="utf8")
