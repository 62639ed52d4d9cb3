"""The core: a model's error costs one record, too little memory costs none; places anywhere."""

import json
import resource

import pytest
from spacy.language import Language
from support.annotating import (
    here,
    make_records,
    model,
    read_errors,
    read_output,
    run_job,
    write_lines,
)

from spacy_bert_ner.annotate import part as part_module
from spacy_bert_ner.annotate.part import Labeller

__all__ = ["here", "model"]


class Picky:
    """A component that cannot do a text with a word in it, or more than two docs at once."""

    def __call__(self, doc):
        if "poison" in doc.text:
            raise ArithmeticError(f"cannot do {doc.text}")
        return doc

    def pipe(self, stream, *, batch_size):
        docs = list(stream)
        if len(docs) > 2:
            raise MemoryError("not enough memory")
        yield from map(self, docs)


@pytest.fixture
def picky(model, monkeypatch):
    if not Language.has_factory("picky"):
        Language.component("picky", func=lambda doc: doc)
    load = Labeller.__init__

    def make(self, *args, **settings):
        load(self, *args, **settings)
        self.nlp.add_pipe("picky")
        self.nlp._components[-1] = ("picky", Picky())

    monkeypatch.setattr(Labeller, "__init__", make)
    return model


def test_a_model_error_is_the_reason_of_its_record_only(picky, tmp_path, here):
    records = make_records(20)
    records[7]["text"] = "some poison here"
    data = write_lines(tmp_path / "a.jsonl", records)
    state = run_job(picky, [data], tmp_path / "out", max_errors=0.1, part_records=100)
    assert (state.records, state.errors) == (19, 1)
    reason = "ArithmeticError: cannot do some poison here"
    assert read_errors(tmp_path / "out") == {f"{data}:8": reason}
    assert len(read_output(tmp_path / "out")) == 19


def test_docs_that_an_error_handler_leaves_out_are_errors(picky, tmp_path, here, monkeypatch):
    load = Labeller.__init__

    def make(self, *args, **settings):
        load(self, *args, **settings)
        # as `nlp.set_error_handler(ignore_error)`: the pipe goes on without these docs
        self.nlp._components[-1] = ("picky", lambda doc: doc)
        pipe = self.nlp.pipe
        monkeypatch.setattr(
            self.nlp, "pipe", lambda texts: (d for d in pipe(texts) if "poison" not in d.text)
        )

    monkeypatch.setattr(Labeller, "__init__", make)
    data = write_lines(tmp_path / "a.jsonl", [{"text": t} for t in ("London", "poison", "Paris")])
    state = run_job(picky, [data], tmp_path / "out", max_errors=1)
    assert (state.records, state.errors) == (2, 1)
    assert "left the text out" in read_errors(tmp_path / "out")[f"{data}:2"]


def test_a_full_disk_is_one_sentence_and_the_job_goes_on_later(model, tmp_path, here):
    records = [{"text": f"London {i} " + "is big " * 40} for i in range(60)]
    data, out = write_lines(tmp_path / "a.jsonl", records), tmp_path / "out"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(OSError, match=r"part-000001\.jsonl could not be written: File"):
            run_grown(model, data, out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in (out / "parts").iterdir()] == ["part-000000.jsonl"]
    state = run_job(model, [data], out, part_records=50)
    assert state.records == 60 and state.done_now == 50
    assert len(read_output(out)) == 60


def run_grown(model, data, out):
    """A first part that fits, then one that does not."""
    whole = data.read_text()
    data.write_text("".join(whole.splitlines(keepends=True)[:10]))
    run_job(model, [data], out, part_records=50)
    data.write_text(whole)
    run_job(model, [data], out, part_records=50)


def test_inputs_and_output_may_be_uris(model, tmp_path, here):
    records = make_records(7)
    (tmp_path / "in").mkdir()
    write_lines(tmp_path / "in" / "a.jsonl", records)
    source, target = f"file://{tmp_path}/in", f"file://{tmp_path}/out"
    state = run_job(model, [source], target)
    assert (state.records, state.parts) == (7, 3)
    assert run_job(model, [source], target).done_now == 0
    (tmp_path / "out" / "receipts" / "part-000001.json").unlink()
    assert run_job(model, [source], target).done_now == 3
    run_job(model, [tmp_path / "in"], tmp_path / "local")
    far, near = read_output(tmp_path / "out"), read_output(tmp_path / "local")
    assert [{**record, "id": ""} for record in far.values()] == [
        {**record, "id": ""} for record in near.values()
    ]
    assert json.loads((tmp_path / "out" / "job.json").read_text())["inputs"][0]["n_rows"] == 7
    with pytest.raises(ValueError, match=r"nope://x: not a location that pyarrow opens"):
        run_job(model, ["nope://x"], target)


def test_words_are_forgotten_now_and_then(model, tmp_path, here, monkeypatch):
    data = write_lines(tmp_path / "a.jsonl", [{"text": f"London word{i}"} for i in range(3_000)])
    sizes, found = [], []
    for most in (500, 1_000_000):
        monkeypatch.setattr(part_module, "_MOST_NEW_WORDS", most)
        forget = Labeller.forget_words
        strings = []

        def watch(self, forget=forget, strings=strings):
            forget(self)
            strings.append(len(self.nlp.vocab.strings))

        monkeypatch.setattr(Labeller, "forget_words", watch)
        run_job(model, [data], tmp_path / str(most), part_records=10_000)
        monkeypatch.setattr(Labeller, "forget_words", forget)
        sizes.append(max(strings) - strings[0])
        found.append(read_output(tmp_path / str(most)))
    assert found[0] == found[1]
    assert sizes[0] < 100 < 1_000 < sizes[1]
