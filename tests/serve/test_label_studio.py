"""Label Studio's contract of ML backends: regions that its reader and its SDK accept."""

import json

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("prometheus_client")

from starlette.testclient import TestClient
from support.serving import RECORDED

from spacy_bert_ner.read.data_file import open_data
from spacy_bert_ner.schemes import tags_to_spans
from spacy_bert_ner.serve.app import make_app
from spacy_bert_ner.serve.settings import ServerSettings

CONFIG = """<View>
  <!-- people and places -->
  <Header value="Mark names"/>
  <Labels name="label" toName="text">
    <Label value="PER"/><Label value="Loc" background="red"/>
  </Labels>
  <Text name="text" value="$sentence"/>
</View>"""
TEXTS = ["😀 Alex Smith lives in New York now .", "", "London is big"]


@pytest.fixture(scope="module")
def client(trained):
    with TestClient(make_app(trained, ServerSettings(""))) as client:
        yield client


@pytest.mark.parametrize("sent", RECORDED["requests"], ids=lambda sent: sent["path"][14:])
def test_what_a_real_label_studio_sends_is_answered_as_it_wants(client, trained, sent):
    is_training = "START_TRAINING" in str(sent["body"])
    answer = client.request(sent["method"], sent["path"], json=sent["body"])
    assert answer.status_code == 409 if is_training else answer.is_success, answer.text
    if sent["path"].endswith("/versions"):
        assert answer.json() == {"versions": ["en_pipeline 0.0.0"]}
    elif sent["path"].endswith("/setup"):
        assert answer.json() == {"model_version": "en_pipeline 0.0.0"}
    elif sent["path"].endswith("/predict"):
        texts = [task["data"]["text"] for task in sent["body"]["tasks"]]
        found = [one["result"] for one in answer.json()["results"]]
        assert [[region["value"]["text"] for region in result] for result in found] == [
            [ent.text for ent in trained(text).ents] for text in texts
        ]


def test_as_many_tasks_as_someone_selects_are_predicted(trained):
    texts = [f"London is big {i}" for i in range(7)]
    with TestClient(make_app(trained, ServerSettings("", max_texts=3))) as client:
        results = predict(client, texts).json()["results"]
        assert predict(client, []).json()["results"] == []
    assert [result["result"][0]["value"]["text"] for result in results] == ["London"] * 7


def predict(client, texts=TEXTS, config=CONFIG):
    tasks = [{"id": i, "data": {"sentence": text}} for i, text in enumerate(texts)]
    body = {"tasks": tasks, "label_config": config, "project": "1.170", "params": {}}
    content = json.dumps(body).encode()
    headers = {"content-type": "application/json"}
    return client.post("/label-studio/predict", content=content, headers=headers)


def test_regions_have_offsets_of_javascript_and_scores(client, trained):
    answer = predict(client)
    found = answer.json()
    assert len(found["results"]) == len(TEXTS)
    for text, result in zip(TEXTS, found["results"], strict=True):
        ents = trained(text).ents
        assert [region["value"]["text"] for region in result["result"]] == [e.text for e in ents]
        for region, ent in zip(result["result"], ents, strict=True):
            value = region["value"]
            units = text.encode("utf-16-le")[2 * value["start"] : 2 * value["end"]]
            assert units.decode("utf-16-le") == ent.text
            assert value["labels"] == [{"PER": "PER", "LOC": "Loc"}[ent.label_]]
            assert region["score"] == pytest.approx(ent._.score, abs=1e-6)
            assert (region["from_name"], region["to_name"]) == ("label", "text")
        if ents:
            assert result["score"] == min(region["score"] for region in result["result"])
        assert result["model_version"] == found["model_version"]
    assert found["results"][1] == {
        "model_version": found["model_version"],
        "score": None,
        "result": [],
    }


def test_our_reader_reads_accepted_predictions_back_and_two_people_stay_two(client, tmp_path):
    # What Label Studio exports if an annotator accepts the predictions as they are.
    [accepted] = predict(client, [TEXTS[0]]).json()["results"]
    tasks = [
        {"id": 1, "data": {"text": TEXTS[0]}, "annotations": [{"result": accepted["result"]}]},
        RECORDED["export"][-1],
    ]
    for task in tasks:
        (tmp_path / "export.json").write_text(json.dumps([task]))
        [sentence] = open_data(tmp_path / "export.json").sentences()
        regions = task["annotations"][0]["result"]
        assert len(tags_to_spans(sentence.tags)) == len(regions) > 0


def test_the_sdk_accepts_the_predictions(client):
    interface = pytest.importorskip("label_studio_sdk.label_interface").LabelInterface(CONFIG)
    answer = predict(client)
    for result in answer.json()["results"]:
        if result["result"]:
            assert interface.validate_prediction(result, return_errors=True) == []
            assert interface.validate_prediction(
                {**result, "result": [{**result["result"][0], "from_name": "other"}]},
                return_errors=True,
            )


def test_labels_that_the_project_does_not_have_are_left_out(client):
    config = CONFIG.replace('<Label value="PER"/>', "")
    answer = predict(client, config=config)
    labels = [r["value"]["labels"] for one in answer.json()["results"] for r in one["result"]]
    assert labels == [["Loc"], ["Loc"]]


def test_the_labels_of_the_model_are_found_under_aliases_and_in_any_tag(client):
    other = '<Labels name="mood" toName="text"><Label value="good"/></Labels>'
    config = CONFIG.replace('<Label value="PER"/>', '<Label value="Person" alias="per"/>')
    config = config.replace("<View>", f"<View>{other}")
    results = predict(client, config=config).json()["results"]
    regions = [region for result in results for region in result["result"]]
    assert {region["from_name"] for region in regions} == {"label"}
    assert {region["value"]["labels"][0] for region in regions} == {"per", "Loc"}


@pytest.mark.parametrize(
    "config, words",
    [
        ("", "not XML"),
        ("<View>", "not XML"),
        ("<View>\ud800</View>", "not XML"),
        ("<View/>", "no Labels"),
        (CONFIG.replace("<Text", '<Text valueType="url"'), "the text itself"),
        ('<View><Labels name="a" toName="b"/><Image name="b" value="$x"/></View>', "no Labels"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><View>&a;</View>', "document type"),
        ("<View>" * 100_000, "not XML"),
    ],
)
def test_an_interface_without_spans_is_refused(client, config, words):
    answer = predict(client, config=config)
    assert answer.status_code == 422 and words in answer.json()["detail"]


def test_a_task_without_its_text_is_refused(client):
    for data in ({}, {"sentence": 1}, None, [], {"sentence": "\ud800"}):
        body = {"tasks": [{"data": data}], "label_config": CONFIG}
        content = json.dumps(body).encode()
        headers = {"content-type": "application/json"}
        answer = client.post("/label-studio/predict", content=content, headers=headers)
        assert answer.status_code == 422, data
        assert '"texts"' not in answer.json()["detail"]
