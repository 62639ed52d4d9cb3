"""Labels and repeats that look like mistakes."""

import pytest
from support.samples import json_lines, write

from spacy_bert_ner.convert.convert import convert
from spacy_bert_ner.convert.label_checks import note_similar_labels
from spacy_bert_ner.convert.settings import Conversion
from spacy_bert_ner.read.sentence import Notes
from spacy_bert_ner.schemes import KAGGLE_TO_ONTONOTES


def find_similar(*labels):
    notes = Notes()
    note_similar_labels(labels, notes)
    return notes.count("similar-labels")


@pytest.mark.parametrize(
    ("one", "other"),
    [("PER", "per"), ("PER", "PER "), ("ORG", "OGR"), ("DATE", "DATES"), ("LOCATION", "LOCATON"),
     ("WORK_OF_ART", "WORK OF ART"), ("LOC", "LOV")],
)  # fmt: skip
def test_labels_that_may_be_one(one, other):
    assert find_similar(one, other) == find_similar(other, one) == 1


SPAN = {"start": 0, "end": 4, "labels": ["PER"]}
PREDICTED = {"data": {"text": "Mira left"}, "predictions": [{"result": [{"value": SPAN}]}]}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([PREDICTED], r"no sentence.* 1 × records with predictions that nobody accepted, left out"),
        ([{"text": "Mira", "answer": "reject"}], r"no sentence.* rejected or ignored.* \(.*:1 re"),
        ([{"text": "Mira", "label": []}], "no entity, expected some. Annotate some in the texts"),
        ([{"text": " x", "label": [[0, 1, "A"]]}], "no entity.* invisible characters only, lost"),
    ],
)
def test_an_empty_result_says_what_was_left_out(tmp_path, values, message):
    with pytest.raises(ValueError, match=message) as error:
        convert([write(tmp_path, json_lines(values))])
    assert "tag_column" not in str(error.value)


def test_json_min_names_the_tags_of_the_project(tmp_path):
    tasks = [{"text": "Mira left", "ner": [{**SPAN, "text": "Mira"}]}, {"text": "x"}]
    tasks = [{**task, "annotation_id": i, "annotator": 1} for i, task in enumerate(tasks)]
    report = convert([write(tmp_path, json_lines(tasks))])
    assert report["parts"]["all"]["entities"] == {"PER": 1}
    assert report["parts"]["all"]["docs"] == 2


def test_labels_that_are_not():
    kaggle = list(KAGGLE_TO_ONTONOTES)
    ontonotes = "CARDINAL DATE EVENT FAC GPE LANGUAGE LAW LOC MONEY NORP ORDINAL ORG PERCENT PERSON"
    ontonotes += " PRODUCT QUANTITY TIME WORK_OF_ART"
    assert find_similar(*kaggle) == find_similar(*ontonotes.split()) == 0
    assert find_similar("LOC", "ORG", "PER", "MISC", "LOC1", "LOC2", "A", "B") == 0


def test_a_label_map_must_meet_the_data(tmp_path):
    path = write(tmp_path, "Oslo B-LOC\nLee B-PER\n\n")
    with pytest.raises(ValueError, match=r"has 'loc' \(do you mean LOC\?\), 'X', expected .*: LOC"):
        convert([path], settings=Conversion(label_map={"loc": "GPE", "PER": "P", "X": "Y"}))
    report = convert([path], settings=Conversion(label_map={"LOC": "GPE"}))
    assert report["parts"]["all"]["entities"] == {"GPE": 1, "PER": 1}


def test_the_ready_map_may_know_more_labels(tmp_path):
    path = write(tmp_path, "Oslo B-geo\n\n")
    report = convert([path], settings=Conversion(label_map=KAGGLE_TO_ONTONOTES))
    assert report["parts"]["all"]["entities"] == {"GPE": 1}


def find(report, kind):
    return next((note for note in report["findings"] if note["kind"] == kind), None)


def test_similar_labels_are_a_finding(tmp_path):
    report = convert([write(tmp_path, "Oslo B-LOC\nRome B-Loc\n\n")])
    assert find(report, "similar-labels")["places"] == ["'LOC' and 'Loc'"]


def test_repeats_with_other_entities_are_listed(tmp_path):
    one = write(tmp_path, "Oslo B-LOC\nwon O\n\nLee B-PER\n\nOslo B-LOC\nwon O\n\n", "a.txt")
    two = write(tmp_path, "Oslo B-ORG\nwon O\n\nLee B-PER\n\n", "b.txt")
    report = convert([one, two])
    assert report["repeats"]["with_other_entities"] == 1
    assert report["repeats"]["places_with_other_entities"] == [["a.txt:1", "b.txt:1"]]
    assert find(report, "repeat-differs")["places"] == ["a.txt:1 and b.txt:1"]
    assert convert([one])["repeats"]["with_other_entities"] == 0


def test_zero_width_characters_at_an_entitys_border_are_a_finding(tmp_path):
    text = "In O\n\u200bNew B-LOC\nYork I-LOC\n\nA\u200bB B-LOC\n\nX\u200b O\n\n"
    note = find(convert([write(tmp_path, text)]), "veiled-entity")
    assert (note["count"], note["places"]) == (1, [r"data.txt:2 '\u200bNew York' LOC"])


def test_unspaced_words_written_with_blanks_are_a_finding(tmp_path):
    path = write(tmp_path, "米 B-PER\n拉 I-PER\n走 O\n\n")
    assert "set `lang` to zh" in find(convert([path]), "unspaced-script")["text"]
    assert find(convert([path], settings=Conversion(lang="zh")), "unspaced-script") is None
    assert find(convert([write(tmp_path, "Oslo B-LOC\n\n")]), "unspaced-script") is None


def test_what_a_format_cannot_hold_is_counted(tmp_path):
    span = {"start": 0, "end": 4, "label": "PER"}
    task = {"text": "Mira is here", "spans": [span], "_is_binary": True, "answer": "accept"}
    path = write(tmp_path, json_lines([task]), "a.jsonl")
    for to, lost in (("spacy", None), ("prodigy", None), ("doccano", 2), ("hf-tokens", 2)):
        name = f"{to}.spacy" if to == "spacy" else f"{to}.jsonl"
        note = find(convert([path], tmp_path / name, settings=Conversion(to=to)), "lost-missing")
        assert (note["count"] if note else None) == lost


def test_codes_of_html_and_marks_of_programs_are_found_among_words(tmp_path):
    words = ["Tom", "&amp;", "AT&amp;T", "&#39;s", "<eos>", "##s", "[sic]", "R&D", "&", "a;b"]
    text = "".join(f"{word} {'O' if i else 'B-PER'}\n" for i, word in enumerate(words))
    report = convert([write(tmp_path, text + "\n" + text)])
    note = find(report, "html-code")
    assert note["count"] == 6 and "'&amp;'" in note["places"][0] and "html.unescape" in note["text"]
    note = find(report, "marker-word")
    assert (
        note["count"] == 4
        and "'<eos>'" in note["places"][0]
        and "remove their rows" in note["text"]
    )


def test_labels_that_begin_as_tags_do_are_a_finding(tmp_path):
    entities = [[0, 4, "B-PER"], [5, 9, "I-PER"]]
    path = write(tmp_path, json_lines([{"text": "Mira Lind left", "entities": entities}]))
    assert find(convert([path]), "label-like-tag")["places"] == ["B-PER", "I-PER"]
    path = write(tmp_path, "mail E-mail\ntrain S-Bahn\nleft O\n")
    assert find(convert([path]), "label-like-tag") is None
