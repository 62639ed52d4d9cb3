import pytest
import spacy
from spacy import util
from spacy.language import DEFAULT_CONFIG_PATH
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from spacy.util import registry
from support import samples
from thinc.api import Config

from spacy_bert_ner.convert.convert import convert
from spacy_bert_ner.corpus.reader import MOST_MIXED
from spacy_bert_ner.read.sentence import FormatError


@pytest.fixture
def nlp():
    return spacy.blank("en")


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "data.conll"
    path.write_text(samples.columns())
    return str(path)


def make_reader(path, **values):
    block = {"@readers": "spacy-bert-ner.Corpus.v1", "path": path, **values}
    return registry.resolve({"corpus": block})["corpus"]


def texts(reader, nlp):
    return [eg.reference.text for eg in reader(nlp)]


def test_any_format_gives_examples(path, nlp):
    examples = list(make_reader(path)(nlp))
    assert [eg.reference.text for eg in examples][1] == "The Oslo Times's editor (Lee) left."
    assert [(e.text, e.label_) for e in examples[0].reference.ents] == [
        ("Anna Berg", "PER"), ("Oslo", "LOC"),
    ]  # fmt: skip
    assert all(eg.predicted.text == eg.reference.text for eg in examples)
    assert all(eg.predicted.ents == () for eg in examples)


def test_groups(path, nlp):
    by_sentence = texts(make_reader(path), nlp)
    assert len(by_sentence) == 4
    by_document = texts(make_reader(path, group="document"), nlp)
    assert by_document == [" ".join(by_sentence[:2]), *by_sentence[2:]]
    reader = make_reader(path, group="mixed", seed=1)
    passes = [texts(reader, nlp) for _ in range(40)]
    assert all(" ".join(found) == " ".join(by_sentence) for found in passes)
    assert {len(found) for found in passes} == {3, 4}
    assert passes == [texts(again, nlp) for again in [make_reader(path, group="mixed", seed=1)]
                      for _ in range(40)]  # fmt: skip
    assert MOST_MIXED == 8


def test_documents_need_borders(tmp_path, nlp):
    path = tmp_path / "a.csv"
    path.write_text(samples.token_rows())
    with pytest.raises(FormatError, match="no border between documents"):
        texts(make_reader(str(path), group="document"), nlp)
    assert " ".join(texts(make_reader(str(path), group="mixed"), nlp)) == " ".join(
        texts(make_reader(str(path)), nlp)
    )


def test_limit_and_settings_change_something(path, nlp):
    assert len(texts(make_reader(path, limit=2), nlp)) == 2
    assert texts(make_reader(path, spacing="words"), nlp)[1].startswith(
        "The Oslo Times 's editor ("
    )
    labels = {
        ent.label_
        for eg in make_reader(path, label_map={"LOC": "GPE"})(nlp)
        for ent in eg.reference.ents
    }
    assert labels == {"PER", "ORG", "GPE"}


def test_gold_preproc_gives_the_words_of_the_file(tmp_path, nlp):
    path = tmp_path / "a.conll"
    path.write_text("Anna-Lee B-PER\nwar O\n\n")
    (raw,) = make_reader(str(path))(nlp)
    (gold,) = make_reader(str(path), gold_preproc=True)(nlp)
    assert [t.text for t in gold.predicted] == ["Anna-Lee", "war"]
    assert [t.text for t in raw.predicted] == ["Anna", "-", "Lee", "war"]


def test_docbin_and_texts(tmp_path, path, nlp):
    convert([path], tmp_path / "a.spacy")
    assert texts(make_reader(str(tmp_path / "a.spacy")), nlp) == texts(make_reader(path), nlp)
    (tmp_path / "a.jsonl").write_text(samples.prodigy())
    found = list(make_reader(str(tmp_path / "a.jsonl"))(nlp))
    assert [eg.reference.text for eg in found] == [samples.TEXT, samples.OTHER_TEXT]
    assert not found[0].reference.has_annotation("SENT_START")


def test_augmenter(path, nlp):
    def twice(nlp, example):
        yield example
        yield example

    reader = make_reader(path)
    reader.augmenter = twice
    assert len(list(reader(nlp))) == 8


def test_a_config_trains_from_the_raw_file(tmp_path, path):
    reader = {"@readers": "spacy-bert-ner.Corpus.v1", "path": path}
    config = {
        "nlp": {"lang": "en", "pipeline": ["ner"]},
        "components": {"ner": {"factory": "ner"}},
        "corpora": {"train": reader, "dev": reader},
        "training": {"dev_corpus": "corpora.dev", "train_corpus": "corpora.train", "max_steps": 2},
    }
    nlp = init_nlp(Config(util.load_config(DEFAULT_CONFIG_PATH)).merge(config))
    assert set(nlp.get_pipe("ner").labels) == {"PER", "LOC", "ORG"}
    train(nlp, tmp_path)
    assert (tmp_path / "model-last" / "config.cfg").exists()


def test_faults(tmp_path, nlp):
    with pytest.raises(ValueError, match=r"is null.*Write `path = \$\{paths.train\}`"):
        make_reader(None)
    with pytest.raises(ValueError, match='"x"`, expected one of: sentence, document, mixed'):
        make_reader("a", group="x")
    with pytest.raises(FileNotFoundError, match="no such file"):
        texts(make_reader(str(tmp_path / "none")), nlp)
