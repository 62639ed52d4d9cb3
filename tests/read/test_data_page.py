"""docs/data.md says what the readers do."""

from support.data_page import PAGE, find_samples, make_page

from spacy_bert_ner.read.data_file import FORMATS


def test_the_page_is_up_to_date():
    text = PAGE.read_text(encoding="utf8")
    assert text == make_page(), "run: cd tests; python -m support.data_page"


def test_every_sample_is_recognised_without_its_name():
    kinds = {name: kind for name, (kind, _) in find_samples().items()}
    assert [name for name, kind in kinds.items() if not kind] == []
    assert set(FORMATS) - set(kinds.values()) <= {"spacy", "parquet", "brat"}
