"""The core: a model's error costs one record, too little memory costs none; places anywhere."""

import json
import resource

import pytest
from pyarrow import fs
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
from spacy_bert_ner.annotate.places import find_files, open_filesystem

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


def test_what_a_format_cannot_hold_is_the_reason_of_its_record_only(model, tmp_path, here):
    data = write_lines(tmp_path / "a.txt", ["London is big", "-DOCSTART- -X-", "Paris"])
    state = run_job(model, [data], tmp_path / "out", to="conll", max_errors=1)
    assert (state.records, state.errors) == (2, 1)
    assert "cannot hold" in read_errors(tmp_path / "out")[f"{data}:2"]


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


@pytest.fixture
def s3(monkeypatch):
    """A server that speaks S3: gives pyarrow's filesystem, and the options of a URI."""
    moto = pytest.importorskip("moto.server")  # heavy, so not in the extra `test`
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    server = moto.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    options = f"?scheme=http&endpoint_override={host}:{port}&region=eu-central-1"
    system, _ = open_filesystem(f"s3://lake{options}&allow_bucket_creation=true")
    system.create_dir("lake")
    yield system, options
    server.stop()


def test_a_job_on_s3(s3, model, tmp_path, here):
    system, options = s3
    data = write_lines(tmp_path / "a b.jsonl", [*make_records(7), "{"])
    with system.open_output_stream("lake/in/2026/a b.jsonl") as stream:
        stream.write(data.read_bytes())
    source, target = f"s3://lake/in{options}", f"s3://lake/out{options}"
    for pattern in ("in/2026/*.jsonl", "in/2026/a%20b.jsonl", "in"):
        (file,) = find_files([f"s3://lake/{pattern}{options}"])
        assert file.name.replace("%20", " ") == "s3://lake/in/2026/a b.jsonl"
    state = run_job(model, [source], target, max_errors=1)
    assert (state.records, state.errors, state.parts) == (7, 1, 3)
    system.delete_file("lake/out/receipts/part-000001.json")
    assert run_job(model, [source], target, max_errors=1).done_now == 4
    assert run_job(model, [source], target, max_errors=1, force=True).done_now == 8
    fs.copy_files("lake/out", str(tmp_path / "far"), source_filesystem=system)
    run_job(model, [data], tmp_path / "near", max_errors=1)
    far, near = read_output(tmp_path / "far"), read_output(tmp_path / "near")
    assert list(far) == [f"s3://lake/in/2026/a b.jsonl:{i}" for i in range(1, 8)]
    assert [{**item, "id": ""} for item in far.values()] == [
        {**item, "id": ""} for item in near.values()
    ]
    assert options not in (tmp_path / "far" / "job.json").read_text()


def test_odd_names_are_names(model, tmp_path, here):
    (tmp_path / "in").mkdir()
    names = ["a b.jsonl", "c?d.jsonl", "e%20f.jsonl"]
    for name in names:
        write_lines(tmp_path / "in" / name, make_records(1))
    for folder in (tmp_path / "in", f"file://{tmp_path}/in"):
        assert [file.name.rpartition("/")[2] for file in find_files([folder])] == names
        assert run_job(model, [folder], tmp_path / "out", force=True).records == 3


def test_the_words_of_the_first_texts_are_split_once(model):
    labeller, split = Labeller(str(model)), []
    find_prefix = labeller.nlp.tokenizer.prefix_search

    def search(text):
        split.append(text)
        return find_prefix(text)

    labeller.nlp.tokenizer.prefix_search = search  # which splits the special cases anew
    split.clear()
    for _ in range(2):
        labeller.forget_words()
        labeller.label(["London is big"])
    assert sorted(split) == ["London", "big", "is"]


def test_words_are_forgotten_now_and_then(model, tmp_path, here, monkeypatch):
    data = write_lines(tmp_path / "a.jsonl", [{"text": f"London word{i}"} for i in range(3_000)])
    grown, found = [], []
    forget = Labeller.forget_words
    for most in (500, 1_000_000):
        monkeypatch.setattr(part_module, "_MOST_NEW_WORDS", most)
        sizes = []

        def watch(self, sizes=sizes):
            forget(self)
            sizes.append(len(self.nlp.vocab.strings))

        monkeypatch.setattr(Labeller, "forget_words", watch)
        run_job(model, [data], tmp_path / str(most), part_records=10_000)
        grown.append(sizes[-1] - sizes[0])
        found.append(read_output(tmp_path / str(most)))
    assert found[0] == found[1]
    assert 1_500 < grown[0] < 2_500 < grown[1]
