import sys
from pathlib import Path

import pytest
from support import samples
from support.samples import read_docbin

from spacy_bert_ner.convert.convert import convert
from spacy_bert_ner.convert.settings import Conversion
from spacy_bert_ner.read.data_file import open_data
from spacy_bert_ner.read.languages import make_tokenizer
from spacy_bert_ner.read.sentence import FormatError
from spacy_bert_ner.report.data_page import write_data_report

CASES = Path(__file__).parents[1] / "fixtures" / "cases"
KAGGLE = Path(__file__).parents[2] / "assets" / "kaggle" / "ner_dataset.csv.zip"


@pytest.fixture(scope="module")
def kaggle(tmp_path_factory):
    """The whole Kaggle file, converted once."""
    output = tmp_path_factory.mktemp("kaggle")
    return output, convert([KAGGLE], output, settings=Conversion(split="80/10/10"))


def test_the_kaggle_file_is_kept_whole(kaggle):
    output, report = kaggle
    (item,) = report["inputs"]
    assert (item["encoding"], item["non_ascii_bytes"], item["scheme"]) == ("cp1252", 56, "IOB2")
    assert (item["sentences"], item["tokens"]) == (47_959, 1_048_575)
    assert item["entities"] == {
        "art": 402, "eve": 308, "geo": 37_644, "gpe": 15_870, "nat": 201, "org": 20_143,
        "per": 16_990, "tim": 20_333,
    }  # fmt: skip
    parts = report["parts"].values()
    assert [part["sentences"] for part in parts] == [38_367, 4_796, 4_796]
    assert sum(part["tokens"] for part in parts) == 1_048_575
    assert sum(sum(part["entities"].values()) for part in parts) == 111_891
    repeats = {"sentences": 384, "leaks": 0, "leaks_left_out": 0, "sentences_left_out": 0}
    assert report["repeats"].items() >= repeats.items()
    assert report["repeats"]["with_other_entities"] == 35
    assert report["tokenizer"]["kept_share"] >= 0.995
    # the written files say the same
    n_entities, texts = 0, []
    for name in report["parts"]:
        docs = read_docbin(output / f"{name}.spacy")
        n_entities += sum(len(doc.ents) for doc in docs)
        texts.append({doc.text for doc in docs})
    assert n_entities == 111_891
    assert all(a.isdisjoint(b) for a in texts for b in texts if a is not b)
    assert any("None" in text.split() for text in texts[0])


def test_a_part_is_written_as_natural_text_with_exact_offsets(tmp_path):
    (tmp_path / "a.csv").write_text(samples.token_rows())
    convert([tmp_path / "a.csv"], tmp_path / "out.spacy")
    docs = read_docbin(tmp_path / "out.spacy")
    assert docs[1].text == "The Oslo Times's editor (Lee) left."
    assert [(e.text, e.start_char, e.label_) for e in docs[1].ents] == [
        ("Oslo Times", 4, "ORG"), ("Lee", 25, "PER"),
    ]  # fmt: skip
    assert not any(doc.has_unknown_spaces for doc in docs)
    assert all([t.is_sent_start for t in doc] == [True] + [False] * (len(doc) - 1) for doc in docs)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "out.spacy"]


def test_spacing_changes_the_text(tmp_path):
    (tmp_path / "a.csv").write_text(samples.token_rows())
    convert([tmp_path / "a.csv"], tmp_path / "a.spacy", settings=Conversion(spacing="words"))
    assert read_docbin(tmp_path / "a.spacy")[1].text == "The Oslo Times 's editor ( Lee ) left ."


def test_label_map_changes_the_labels(tmp_path, conll):
    settings = Conversion(label_map={"LOC": "GPE"})
    report = convert([conll], tmp_path / "a.spacy", settings=settings)
    assert set(report["parts"]["a"]["entities"]) == {"GPE", "PER"}
    with pytest.raises(ValueError, match="has 'geo', expected labels of the data: LOC, PER"):
        convert([conll], settings=Conversion(label_map={"geo": "GPE"}))


def test_docs_are_sentences_documents_or_runs(tmp_path, conll):
    counts = {}
    for docs in ("auto", "sentence", "document", "2"):
        settings = Conversion(docs=docs)
        report = convert([conll], tmp_path / "a.spacy", settings=settings, force=True)
        counts[docs] = report["parts"]["a"]["docs"]
        found = read_docbin(tmp_path / "a.spacy")
        assert sum(len(list(doc.sents)) for doc in found) == 120
    assert counts == {"auto": 120, "sentence": 120, "document": 40, "2": 80}
    assert found[0].text.endswith("won. Name0x1 won.")


def test_documents_need_borders(tmp_path):
    (tmp_path / "a.csv").write_text(samples.token_rows())
    with pytest.raises(FormatError, match="no border between documents, expected -DOCSTART-"):
        convert([tmp_path / "a.csv"], settings=Conversion(docs="document"))
    with pytest.raises(FormatError, match="no border between documents"):
        convert([tmp_path / "a.csv"], settings=Conversion(split="50/50", split_by="document"))


def test_given_files_go_to_given_parts(tmp_path, conll):
    other = tmp_path / "other.conll"
    other.write_text("Rome B-LOC\nwon O\n\n")
    inputs = [f"dev={other}", f"train={conll}", f"train={other}"]
    report = convert(inputs, tmp_path / "out", settings=Conversion(allow_leaks=True))
    assert list(report["parts"]) == ["train", "dev"]
    assert [part["docs"] for part in report["parts"].values()] == [121, 1]
    assert [item["part"] for item in report["inputs"]] == ["dev", "train", "train"]


@pytest.mark.parametrize(
    ("inputs", "output", "split", "message"),
    [
        ([], "out", None, "No input, expected at least one file"),
        (["train=a", "b"], "out", None, "Some inputs have a part"),
        (["train=a", "dev=b"], "out", "80/20", "Inputs are given to train, dev, and there is"),
        (["a"], "out", None, "it is taken for a folder of several parts"),
        (["a"], "out.spacy", "80/20", "is one file for several parts"),
        (["train=a", "dev=b"], "out.spacy", None, "is one file for several parts"),
    ],
)
def test_inputs_split_and_output_must_fit(tmp_path, inputs, output, split, message):
    with pytest.raises(ValueError, match=message):
        convert(inputs, tmp_path / output, settings=Conversion(split=split))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "values",
    [{"format": "xml"}, {"spacing": "x"}, {"split_by": "x"}, {"docs": "0"}, {"docs": "x"},
     {"limit": -1}, {"split": "x"}],
)  # fmt: skip
def test_settings_are_checked(values):
    with pytest.raises(ValueError, match="expected"):
        Conversion(**values)


def test_an_unknown_language_is_refused(conll):
    with pytest.raises(ValueError, match="Language 'xy', expected a code that spaCy has"):
        convert([conll], settings=Conversion(lang="xy"))


@pytest.mark.parametrize("suffix", [".spacy", ".jsonl", ".conll"])
def test_what_was_written_converts_again_to_the_same(tmp_path, suffix):
    (tmp_path / "a.csv").write_text(samples.token_rows())
    convert([tmp_path / "a.csv"], tmp_path / f"b{suffix}")
    convert([tmp_path / f"b{suffix}"], tmp_path / "c.spacy")
    convert([tmp_path / "a.csv"], tmp_path / "d.spacy")
    assert (tmp_path / "c.spacy").read_bytes() == (tmp_path / "d.spacy").read_bytes()


def test_a_folder_never_holds_the_parts_of_two_conversions(tmp_path, conll):
    output = tmp_path / "corpus"
    first, second = Conversion(split="80/10/10"), Conversion(split="90/10")
    convert([conll], output, settings=first, write_report=write_data_report)
    (output / "notes.spacy").touch()
    with pytest.raises(FileExistsError, match=r"train.spacy exists.*`force`"):
        convert([conll], output, settings=second, write_report=write_data_report)
    convert([conll], output, settings=second, write_report=write_data_report, force=True)
    assert {path.name for path in output.glob("*.spacy")} == {
        "train.spacy", "dev.spacy", "notes.spacy",
    }  # fmt: skip


def test_a_part_that_no_report_lists_is_not_removed(tmp_path, conll):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "test.spacy").write_text("mine")
    settings = Conversion(split="90/10")
    convert([conll], tmp_path / "out", settings=settings, force=True)
    assert (tmp_path / "out" / "test.spacy").read_text() == "mine"


@pytest.mark.parametrize("force", [False, True])
def test_an_input_is_never_overwritten(tmp_path, force):
    (tmp_path / "a.conll").write_text(samples.columns())
    (tmp_path / "b.jsonl").symlink_to(tmp_path / "a.conll")
    before = (tmp_path / "a.conll").read_bytes()
    for name in ("a.conll", "b.jsonl"):
        with pytest.raises(ValueError, match="is read as an input"):
            convert([tmp_path / "a.conll"], tmp_path / name, force=force)
    (tmp_path / "train.spacy").write_bytes(before)
    with pytest.raises(ValueError, match="is read as an input"):
        settings = Conversion(format="conll", split="50/50")
        convert([tmp_path / "train.spacy"], tmp_path, settings=settings, force=force)
    assert (tmp_path / "a.conll").read_bytes() == before


def test_a_report_that_cannot_be_written_leaves_nothing(tmp_path, conll):
    def fail(report, stem):
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="could not be written: No space left on device"):
        convert([conll], tmp_path / "out" / "a.spacy", write_report=fail)
    assert not (tmp_path / "out").exists()


def test_a_failed_conversion_leaves_no_file_behind(tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_text(samples.token_rows())
    monkeypatch.setattr("spacy_bert_ner.convert.checks.Examiner.add", None)
    with pytest.raises(TypeError):
        convert([tmp_path / "a.csv"], tmp_path / "b.spacy")
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_chinese_characters_become_a_text_without_blanks(tmp_path):
    convert([CASES / "S10-zh-characters.txt"], tmp_path / "a.spacy", settings=Conversion(lang="zh"))
    (doc,) = read_docbin(tmp_path / "a.spacy")
    assert doc.text == "米拉住在格拉茨。"
    assert [(ent.text, ent.label_) for ent in doc.ents] == [("米拉", "PER"), ("格拉茨", "LOC")]


def test_a_tokenizer_that_is_not_installed_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sudachipy", None)
    make_tokenizer.cache_clear()
    message = "language 'ja' needs a package .* pip install sudachipy sudachidict_core"
    with pytest.raises(ValueError, match=message):
        convert([CASES / "M22-lang-ja.jsonl"], settings=Conversion(lang="ja"))
    # words need no tokenizer: only the check of borders is left out
    (tmp_path / "a.txt").write_text("ミラ B-PER\nは O\n住む O\n\n")
    settings = Conversion(lang="ja")
    report = convert([tmp_path / "a.txt"], tmp_path / "a.spacy", settings=settings)
    assert [note["kind"] for note in report["findings"]] == ["no-tokenizer"]
    assert read_docbin(tmp_path / "a.spacy")[0].text == "ミラは住む"
    make_tokenizer.cache_clear()


def test_span_groups_come_through(tmp_path):
    report = convert([CASES / "S09-span-group.spacy"], tmp_path / "a.spacy")
    docs = read_docbin(tmp_path / "a.spacy")
    assert [len(doc.spans["sc"]) for doc in docs] == [2, 2]
    assert [span.text for span in docs[0].spans["sc"]] == ["Mira", "Graz"]
    assert not any(note["kind"].endswith("group") for note in report["findings"])
    convert([tmp_path / "a.spacy"], tmp_path / "b.jsonl")
    convert([tmp_path / "b.jsonl"], tmp_path / "c.spacy")
    assert [len(doc.spans["sc"]) for doc in read_docbin(tmp_path / "c.spacy")] == [2, 2]
    report = convert([tmp_path / "a.spacy"], tmp_path / "a.conll")
    assert [n["count"] for n in report["findings"] if n["kind"] == "lost-groups"] == [4]


def test_binary_answers_are_missing_in_the_file(tmp_path):
    convert([CASES / "S05-prodigy-binary.jsonl"], tmp_path / "a.spacy")
    (doc,) = read_docbin(tmp_path / "a.spacy")
    assert [token.ent_iob_ for token in doc] == ["", "", "B", "", "B", ""]


@pytest.mark.parametrize(("to", "suffix"), [("prodigy", ".jsonl"), ("label-studio", ".json")])
def test_parts_are_written_in_the_format_that_is_asked_for(tmp_path, conll, to, suffix):
    settings = Conversion(split="90/10", to=to)
    convert([conll], tmp_path / "out", settings=settings)
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [f"dev{suffix}", f"train{suffix}"]
    assert open_data(tmp_path / "out" / f"dev{suffix}").format == to
    with pytest.raises(ValueError, match=rf"expected a file ending in {suffix} for {to}"):
        convert([conll], tmp_path / "a.spacy", settings=Conversion(to=to))
