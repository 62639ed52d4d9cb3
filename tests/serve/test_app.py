"""The API: the same entities as `nlp(text)`; every refusal is a sentence."""

import json
import logging
import re

import pytest
from pydantic import ValidationError
from support.pipelines import make_nlp

pytest.importorskip("fastapi")
pytest.importorskip("httptools")
pytest.importorskip("prometheus_client")

from starlette.testclient import TestClient

from spacy_bert_ner.serve import entities
from spacy_bert_ner.serve.app import make_app
from spacy_bert_ner.serve.entities import select_entities
from spacy_bert_ner.serve.label_studio import Tasks
from spacy_bert_ner.serve.messages import EntitiesRequest
from spacy_bert_ner.serve.settings import ServerSettings

TEXTS = [
    "Alex Smith lives in New York now .",
    "",
    "London is big",
    "😀 London is 🏠 big , Alex Smith lives in New York now .",
    " \n\t ",
    "London\u0000 \u200bLondon e\u0301 \u202eLondon",
]


@pytest.fixture(scope="module")
def client(trained):
    with TestClient(make_app(trained, ServerSettings("", max_texts=50, max_chars=5_000))) as client:
        yield client


def ask(client, **body):
    answer = client.post("/v1/entities", json=body)
    assert answer.status_code == 200, answer.text
    return [result["entities"] for result in answer.json()["results"]]


def refused(client, status, content, **headers):
    headers = {"content-type": "application/json", **headers}
    answer = client.post("/v1/entities", content=content, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.json()["detail"].endswith((".", "…")), answer.text
    return answer.json()["detail"]


def describe(doc):
    return [
        {
            "start": ent.start_char,
            "end": ent.end_char,
            "text": ent.text,
            "label": ent.label_,
            "score": pytest.approx(ent._.score, abs=1e-6),
        }
        for ent in doc.ents
    ]


def test_answers_are_those_of_nlp(client, trained):
    found = ask(client, texts=TEXTS)
    assert found == [describe(trained(text)) for text in TEXTS]
    assert sum(map(len, found)) >= 6


def test_utf16_offsets_cut_the_text_as_javascript_does(client):
    for where in ("body", "query"):
        url = "/v1/entities" + ("?offsets=utf16" if where == "query" else "")
        body = {"texts": TEXTS} | ({"offsets": "utf16"} if where == "body" else {})
        answer = client.post(url, json=body).json()
        assert answer["offsets"] == "utf16"
        for text, result in zip(TEXTS, answer["results"], strict=True):
            units = text.encode("utf-16-le")
            for ent in result["entities"]:
                cut = units[2 * ent["start"] : 2 * ent["end"]]
                assert cut.decode("utf-16-le") == ent["text"]
        assert answer["results"][3]["entities"][0]["start"] == 3


def test_labels_and_threshold_select(client):
    whole = [ent for ents in ask(client, texts=TEXTS) for ent in ents]
    bar = sorted(ent["score"] for ent in whole)[len(whole) // 2]
    found = [
        ent for ents in ask(client, texts=TEXTS, labels=["LOC"], threshold=bar) for ent in ents
    ]
    assert found == [ent for ent in whole if ent["label"] == "LOC" and ent["score"] >= bar]
    assert 0 < len(found) < len(whole)
    assert ask(client, texts=TEXTS[:1], labels=[]) == [[]]


def test_a_pipeline_that_writes_to_a_span_group_is_served(trained):
    nlp = make_nlp(spans_key="found")
    nlp.get_pipe("ner").from_bytes(trained.get_pipe("ner").to_bytes())
    nlp.get_pipe("ner").spans_key = "found"
    with TestClient(make_app(nlp, ServerSettings(""))) as client:
        found = ask(client, texts=TEXTS)
    assert found == [describe(trained(text)) for text in TEXTS]


@pytest.mark.parametrize(
    "content, status, words",
    [
        (b"", 422, '{"texts": ["'),
        (b"[", 422, "not JSON"),
        (b"\xff\xfe\xfd", 422, "not JSON"),
        (b'{"texts": ["\xff"]}', 422, "invalid unicode"),
        (b'"\\ud800"', 422, '{"texts": ["'),
        (b'{"texts": ["x", "\\ud800"]}', 422, "hex escape"),
        (b'{"texts": ["x"], "\\ud800": 1}', 422, "not JSON"),
        (b'{"texts": ["x"], "label": 1}', 422, "label"),
        (b'{"texts": ["x"], "labels": ["\\udfff"]}', 422, "hex escape"),
        (b'{"texts": ["x"], "labels": ["X"]}', 422, "expected one of: LOC, PER"),
        (b'{"texts": []}', 422, "texts"),
        (b'{"texts": "x"}', 422, "texts"),
        (b'{"texts": [null]}', 422, "texts[0]"),
        (b'{"texts": ["x"], "threshold": NaN}', 422, "threshold"),
        (b'{"texts": ["x"], "threshold": 1e999}', 422, "threshold"),
        (b'{"texts": ["x"], "offsets": "bytes"}', 422, "utf16"),
        (b"[" * 100_000, 422, "not JSON"),
        (json.dumps({"texts": ["x"] * 51}).encode(), 422, "at most 50"),
        (
            json.dumps({"texts": ["x", "y" * 5_001]}).encode(),
            422,
            "texts[1]': 5,001 characters, expected at most 5,000. Split the text.",
        ),
        (b'{"texts": ["' + b"x" * 2_000_000 + b'"]}', 413, "2,000,000 bytes"),
        (b'{"texts": ["x"]' + b"".join(b',"%d":1' % i for i in range(1_001)) + b"}", 422, "1,001"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_a_sentence(client, content, status, words):
    assert words in refused(client, status, content)


@pytest.mark.parametrize(
    "kind, body",
    [
        (EntitiesRequest, {"texts": ["x"], "labels": [1] * 1_000}),
        (Tasks, {"label_config": "", "tasks": [1] * 1_000}),
    ],
)
def test_reading_a_list_ends_at_its_first_fault(kind, body):
    # To list a million faults took up to a minute, in which the server answered nobody.
    with pytest.raises(ValidationError) as error:
        kind.model_validate(body)
    assert error.value.error_count() == 1


def test_a_label_that_is_repeated_is_looked_up_once(client, monkeypatch):
    seen = []

    def select(text, ents, body, unit):
        seen.append(sorted(body.labels))
        return select_entities(text, ents, body, unit)

    monkeypatch.setattr(entities, "select_entities", select)
    text = "London is big ."
    assert ask(client, texts=[text], labels=["LOC"]) == ask(
        client, texts=[text], labels=["PER"] * 1_000 + ["LOC"]
    )
    assert seen == [["LOC"], ["LOC", "PER"]]


def test_a_media_type_has_no_case_and_a_path_no_other_form(client):
    content = json.dumps({"texts": ["x"]}).encode()
    headers = {"content-type": "Application/JSON; charset=utf-8"}
    assert client.post("/v1/entities", content=content, headers=headers).status_code == 200
    answer = client.post("/v1/entities/", content=content, headers=headers, follow_redirects=False)
    assert answer.status_code == 404 and "/docs" in answer.json()["detail"]


def test_a_fault_shows_neither_traceback_nor_text(trained, monkeypatch, caplog):
    def fail(*_, **__):
        raise RuntimeError("damage in 'Secret text'")

    with (
        TestClient(make_app(trained, ServerSettings(""))) as client,
        monkeypatch.context() as patched,
    ):
        patched.setattr(trained, "pipe", fail)
        with caplog.at_level(logging.INFO):
            answer = client.post("/v1/entities", json={"texts": ["Secret text"]})
    assert answer.status_code == 500
    assert "Secret" not in answer.text and "Traceback" not in answer.text
    faults = [record.fields for record in caplog.records if record.getMessage() == "fault"]
    assert faults[0]["error"] == "RuntimeError"
    assert any("fail" in place for place in faults[0]["places"])


def test_no_text_is_logged_or_repeated(client, caplog):
    secret = "Alex Smith"
    with caplog.at_level(logging.DEBUG):
        ask(client, texts=[secret])
        client.get(f"/{secret}?{secret}")
        for content in (f'{{"texts": {{"{secret}": "{secret}"}}}}', f'"{secret}"'):
            assert secret not in refused(client, 422, content.encode())
    records = [record for record in caplog.records if "spacy_bert_ner" in record.name]
    assert len(records) >= 4
    assert not any(secret in str(record.__dict__) for record in records)


def test_the_model_is_described(client, trained, monkeypatch):
    monkeypatch.setitem(trained._meta, "performance", {"ents_f": 0.9})
    monkeypatch.setitem(trained._meta, "license", "MIT")
    answer = client.get("/v1/model").json()
    assert answer["labels"] == ["LOC", "PER"] and answer["has_scores"]
    assert answer["performance"] == {"ents_f": 0.9} and answer["license"] == "MIT"
    assert answer["limits"]["texts"] == 50
    assert client.post("/v1/entities", json={"texts": ["x"]}).json()["model"] == answer["name"]


def test_health_and_readiness(client):
    assert client.get("/health").json()["status"] == "UP"
    assert client.get("/ready").status_code == 200
    client.app.is_stopping = True
    try:
        assert client.get("/health").status_code == 200
        assert client.get("/ready").status_code == 503
        answer = client.post("/v1/entities", json={"texts": ["x"]})
        assert answer.status_code == 503 and int(answer.headers["retry-after"]) > 0
    finally:
        client.app.is_stopping = False


def test_metrics_count(client):
    def read(name):
        text = client.get("/metrics").text
        return sum(float(n) for n in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.M))

    before = read("bert_ner_words_total")
    posted = 'bert_ner_requests_total{path="/v1/entities",status="200"}'
    n_requests = read(re.escape(posted))
    ask(client, texts=["one two three", "four"])
    assert read("bert_ner_words_total") == before + 4
    assert read(re.escape(posted)) == n_requests + 1
    assert read("bert_ner_queue_words") == 0
    assert read("bert_ner_batch_words_count") > 0


def test_openapi_describes_every_answer(client):
    spec = client.get("/openapi.json").json()
    assert {"/v1/entities", "/v1/model", "/health", "/ready", "/metrics"} <= set(spec["paths"])
    answers = spec["paths"]["/v1/entities"]["post"]["responses"]
    assert {"200", "413", "422", "429", "503"} <= set(answers)
    assert "HTTPValidationError" not in json.dumps(spec)


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_contacts_no_other_host(client, path):
    answer = client.get(path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    assert not re.search(r"(src|href|url)\s*[=(]\s*[\"']?(https?:)?//", answer.text)
