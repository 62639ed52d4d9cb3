"""A small corpus written for the tests, in every format that is read."""

import csv
import io
import json

from spacy.tokens import DocBin
from spacy.vocab import Vocab

from spacy_bert_ner.convert.docs import doc_data_to_doc, sentences_to_doc_data
from spacy_bert_ner.read.data_file import open_data

# (words, spans) of three documents; IOB2 is what every format must come to
SENTENCES = [
    (["Anna", "Berg", "moved", "to", "Oslo", "."], [(0, 2, "PER"), (4, 5, "LOC")]),
    (["The", "Oslo", "Times", "'s", "editor", "(", "Lee", ")", "left", "."],
     [(1, 3, "ORG"), (6, 7, "PER")]),
    (["Nothing", "happened", "."], []),
    (["Paris", "Lyon", "and", "Rome", "cost", "$", "5", "."],
     [(0, 1, "LOC"), (1, 2, "LOC"), (3, 4, "LOC")]),
]  # fmt: skip
DOCUMENTS = [1, 1, 2, 3]


def tags_of(spans, length):
    tags = ["O"] * length
    for start, end, label in spans:
        tags[start:end] = ["B-" + label] + ["I-" + label] * (end - start - 1)
    return tags


TAGGED = [(words, tags_of(spans, len(words))) for words, spans in SENTENCES]


def csv_text(rows, delimiter=","):
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter, lineterminator="\r\n").writerows(rows)
    return buffer.getvalue()


def token_rows(*, every_row=False):
    rows = [["Sentence #", "Word", "POS", "Tag"]]
    for number, (words, tags) in enumerate(TAGGED, start=1):
        for i, (word, tag) in enumerate(zip(words, tags, strict=True)):
            sentence = f"Sentence: {number}" if every_row or i == 0 else ""
            rows.append([sentence, word, "X", tag])
    return csv_text(rows)


def sentence_rows():
    rows = [["text", "labels"]]
    return csv_text(rows + [[" ".join(words), " ".join(tags)] for words, tags in TAGGED])


def list_rows():
    rows = [["Sentence #", "Sentence", "POS", "Tag"]]
    for number, (words, tags) in enumerate(TAGGED, start=1):
        pos = ["X"] * len(words)
        rows.append([f"Sentence: {number}", " ".join(words), str(pos), str(tags)])
    return csv_text(rows)


def columns(*, separator=" ", docstart="-DOCSTART- -X- O", n_pos=1):
    lines, last = [], 0
    for document, (words, tags) in zip(DOCUMENTS, TAGGED, strict=True):
        if document != last and docstart:
            lines += [docstart, ""]
        last = document
        for word, tag in zip(words, tags, strict=True):
            lines.append(separator.join([word, *["X"] * n_pos, tag]))
        lines.append("")
    return "\n".join(lines) + "\n"


def piped():
    lines, last = [], 1
    for document, (words, tags) in zip(DOCUMENTS, TAGGED, strict=True):
        lines += [""] * (document - last)
        last = document
        lines.append(" ".join(f"{word}|X|{tag}" for word, tag in zip(words, tags, strict=True)))
    return "\n".join(lines) + "\n"


def word_tag():
    lines = (" ".join(map("/".join, zip(words, tags, strict=True))) for words, tags in TAGGED)
    return "\n".join(lines) + "\n"


TEXT = "Anna Berg moved to Oslo. She likes Sankt-Hans there."
CHAR_SPANS = [(0, 9, "PER"), (19, 23, "LOC"), (35, 45, "MISC")]
OTHER_TEXT = "Lee left Rome."
OTHER_SPANS = [(0, 3, "PER"), (9, 13, "LOC")]
TEXTS = [(TEXT, CHAR_SPANS), (OTHER_TEXT, OTHER_SPANS)]


def json_lines(values):
    return "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values)


def as_dicts(spans, start="start", end="end"):
    return [{start: a, end: b, "label": label} for a, b, label in spans]


def prodigy():
    return json_lines(
        {"text": text, "spans": as_dicts(spans), "answer": "accept", "_task_hash": 1}
        for text, spans in TEXTS
    )


def doccano():
    return json_lines(
        {"id": i, "text": text, "label": [list(span) for span in spans]}
        for i, (text, spans) in enumerate(TEXTS)
    )


def doccano_entities():
    return json_lines(
        {"text": text, "entities": as_dicts(spans, "start_offset", "end_offset"), "relations": []}
        for text, spans in TEXTS
    )


def spacy_pairs():
    return json_lines([text, {"entities": [list(span) for span in spans]}] for text, spans in TEXTS)


def spacy_json():
    return json_lines({"text": text, "ents": as_dicts(spans)} for text, spans in TEXTS)


def label_studio():
    tasks = []
    for i, (text, spans) in enumerate(TEXTS):
        result = [
            {
                "type": "labels",
                "value": {"start": a, "end": b, "text": text[a:b], "labels": [label]},
            }
            for a, b, label in spans
        ]
        tasks.append({"id": i, "data": {"text": text}, "annotations": [{"result": result}]})
    return json.dumps(tasks, indent=1)


def label_studio_min():
    tasks = []
    for i, (text, spans) in enumerate(TEXTS):
        label = [{"start": a, "end": b, "text": text[a:b], "labels": [x]} for a, b, x in spans]
        tasks.append({"id": i, "text": text, "label": label})
    return json.dumps(tasks)


def text_rows():
    rows = [["id", "text", "label"]]
    for i, task in enumerate(json.loads(label_studio_min())):
        rows.append([i, task["text"], json.dumps(task["label"])])
    return csv_text(rows)


TOKEN_FORMATS = {
    "kaggle-tokens": token_rows(),
    "kaggle-sentences": sentence_rows(),
    "kaggle-lists": list_rows(),
    "conll": columns(),
    "conll-tabs": columns(separator="\t", docstart="-DOCSTART-\tO"),
    "wikiner": piped(),
    "word-tag": word_tag(),
}
"""Every format of words: name → file of `SENTENCES`."""

TEXT_FORMATS = {
    "prodigy": prodigy(),
    "doccano": doccano(),
    "doccano-entities": doccano_entities(),
    "spacy-jsonl": spacy_json(),
    "spacy-jsonl-pairs": spacy_pairs(),
    "label-studio": label_studio(),
    "label-studio-min": label_studio_min(),
}
"""Every format of texts with character offsets: name → file of `TEXTS`."""


def hf_tokens():
    return json_lines({"id": str(i), "tokens": words, "ner_tags": tags}
                      for i, (words, tags) in enumerate(TAGGED))  # fmt: skip


def word_spans():
    return json_lines({"tokenized_text": words, "ner": [[a, b - 1, label] for a, b, label in spans]}
                      for words, spans in SENTENCES)  # fmt: skip


def spacy_training():
    docs = []
    for i, (words, tags) in enumerate(TAGGED):
        tokens = [{"id": j, "orth": word, "ner": tag}
                  for j, (word, tag) in enumerate(zip(words, tags, strict=True))]  # fmt: skip
        docs.append({"id": i, "paragraphs": [{"sentences": [{"tokens": tokens}]}]})
    return json.dumps(docs, indent=1)


def dataturks():
    return json_lines(
        {
            "content": text,
            "annotation": [
                {"label": [x], "points": [{"start": a, "end": b - 1, "text": text[a:b]}]}
                for a, b, x in spans
            ],
        }
        for text, spans in TEXTS
    )


def cluener():
    return json_lines(
        {"text": text, "label": {x: {text[a:b]: [[a, b - 1]]} for a, b, x in spans}}
        for text, spans in TEXTS
    )


def span_objects():
    return json_lines(
        {"text": text, "entities": [{"span": [a, b], "type": x} for a, b, x in spans]}
        for text, spans in TEXTS
    )


def ner_annotator():
    pairs = [[text, {"entities": [list(span) for span in spans]}] for text, spans in TEXTS]
    return json.dumps({"classes": ["PER", "LOC"], "annotations": [*pairs, None]})


RECORD_FORMATS = {
    "hf-tokens": hf_tokens(),
    "word-spans": word_spans(),
    "spacy-training": spacy_training(),
    "dataturks": dataturks(),
    "cluener": cluener(),
    "entities": span_objects(),
    "text-rows": text_rows(),
    "spacy-jsonl-ner-annotator": ner_annotator(),
    "doccano-list": json.dumps([json.loads(line) for line in doccano().splitlines()], indent=1),
    "prodigy-list": json.dumps([json.loads(line) for line in prodigy().splitlines()]),
}
"""More formats of records: name → file of `SENTENCES` or of `TEXTS`."""


def write(folder, text, name="data.txt", encoding="utf8"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path


def read(path, notes=None, **options):
    return list(open_data(path, **options).sentences(notes))


def read_docs(path, notes=None, **options):
    """RETURNS (list): Text and entities of each doc of a file."""
    docs = {}
    for i, sentence in enumerate(open_data(path, **options).sentences(notes)):
        docs.setdefault((sentence.document, 0 if sentence.document else i), []).append(sentence)
    found = [doc_data_to_doc(sentences_to_doc_data(s, spacer=None), Vocab()) for s in docs.values()]
    return [(doc.text, [(ent.text, ent.label_) for ent in doc.ents]) for doc in found]


def find_entities(path, notes=None, **options):
    return [ents for _, ents in read_docs(path, notes, **options)]


def read_docbin(path):
    """RETURNS (list[Doc]): The docs of a `.spacy` file."""
    return list(DocBin().from_disk(path).get_docs(Vocab()))
