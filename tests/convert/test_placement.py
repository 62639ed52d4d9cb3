"""Sentences go to docs and parts: no repeat on two sides, limits, rare labels everywhere."""

from collections import Counter

from support.samples import read_docbin

from spacy_bert_ner.convert.convert import convert
from spacy_bert_ner.convert.settings import Conversion


def part_texts(output, names=("train", "dev", "test")):
    return [Counter(doc.text for doc in read_docbin(output / f"{name}.spacy")) for name in names]


def test_split_keeps_repeats_on_one_side(tmp_path, conll):
    settings = Conversion(split="60/20/20")
    report = convert([conll], tmp_path / "out", settings=settings)
    texts = part_texts(tmp_path / "out")
    assert sum(sum(counts.values()) for counts in texts) == 120
    assert all(a.keys().isdisjoint(b) for a in texts for b in texts if a is not b)
    assert report["repeats"]["sentences"] == 9
    convert([conll], tmp_path / "again", settings=settings)
    assert part_texts(tmp_path / "again") == texts
    convert([conll], tmp_path / "other", settings=Conversion(split="60/20/20", seed=1))
    assert part_texts(tmp_path / "other") != texts


def test_leaks_are_counted_and_kept_if_allowed(tmp_path, conll):
    settings = Conversion(split="60/20/20", allow_leaks=True)
    report = convert([conll], tmp_path / "out", settings=settings)
    train, dev, test = part_texts(tmp_path / "out")
    n_leaks = sum(n for text, n in train.items() if text in dev or text in test)
    n_leaks += sum(n for text, n in dev.items() if text in test)
    assert report["repeats"]["leaks"] == n_leaks > 0
    assert sum(train.values()) == 72


def test_split_by_document_keeps_documents_together(tmp_path, conll):
    settings = Conversion(split="60/20/20", split_by="document")
    report = convert([conll], tmp_path / "out", settings=settings)
    texts = part_texts(tmp_path / "out")
    documents = [{t.split("x")[0] for t in counts if t != "Oslo won."} for counts in texts]
    assert all(a.isdisjoint(b) for a in documents for b in documents if a is not b)
    # the sentence that all of them share stands in the last part only, and is counted
    assert [counts["Oslo won."] > 0 for counts in texts] == [False, False, True]
    left_out = report["repeats"]["leaks_left_out"]
    assert left_out == 120 - sum(sum(counts.values()) for counts in texts) > 0


def test_limits_draw_docs_of_each_part(tmp_path, conll):
    settings = Conversion(split="60/20/20", limit=10, limit_dev=5, limit_test=3)
    report = convert([conll], tmp_path / "out", settings=settings)
    assert [part["docs"] for part in report["parts"].values()] == [10, 5, 3]
    whole = convert([conll], tmp_path / "whole", settings=Conversion(split="60/20/20"))
    assert [part["docs"] for part in whole["parts"].values()] == [72, 24, 24]
    for some, all_ in zip(
        part_texts(tmp_path / "out"), part_texts(tmp_path / "whole"), strict=True
    ):
        assert some <= all_
    report = convert([conll], tmp_path / "a.spacy", settings=Conversion(limit=7))
    assert report["parts"]["a"]["docs"] == 7


def test_stratify_puts_rare_labels_into_every_part(tmp_path):
    lines = ["Oslo B-LOC\n" + f"x{i} O\n\n" for i in range(60)]
    lines += ["Fog B-nat\n" + f"y{i} O\n\n" for i in range(3)]
    (tmp_path / "a.conll").write_text("".join(lines))
    missing = 0
    for seed in range(4):
        for stratify in (True, False):
            settings = Conversion(split="80/10/10", seed=seed, stratify=stratify)
            parts = convert([tmp_path / "a.conll"], settings=settings)["parts"].values()
            has_all = all("nat" in part["entities"] for part in parts)
            assert has_all or not stratify
            missing += not has_all
    assert missing > 0
