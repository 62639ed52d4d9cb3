"""Does `review` find wrong labels that were put in on purpose, and choose better sentences?

python benchmarks/review.py noise CORPUS WORK
    changes 5 % of the entities of CORPUS/train.spacy at random (a quarter each: another label,
    another border, removed, invented), and reports how many are among the first places, and the
    estimated share.
python benchmarks/review.py bounds DATA [--work WORK] [--model MODEL]
    adds 0 to 20 % wrong labels to the corpus DATA, anywhere or mostly in hard places, and reports
    between what bounds the estimate is; judged by MODEL, or by the models that `noise` trained.
python benchmarks/review.py retrain CORPUS WORK
    F1 on CORPUS/test.spacy with the labels as they were, wrong, and corrected.
python benchmarks/review.py choose CORPUS WORK
    F1 with sentences that `suggest` chooses, next to random ones.
python benchmarks/review.py forecast CORPUS WORK
    forecasts of a quarter of the data, next to F1 with half and all of it.
python benchmarks/review.py join CORPUS WORK
    F1 on CORPUS/dev.spacy if every second sentence says nothing of half of the labels: trained
    on all labels, on the union as it is, and on the union with what each half annotates.

Figures go to benchmarks/results/review.md by hand, with the size of the run.
"""

import json
import random
from pathlib import Path

import spacy
import typer
from spacy.tokens import DocBin, Span
from spacy.util import load_config

from spacy_bert_ner.cli._options import parse_shares
from spacy_bert_ner.convert.annotated import mark_annotated
from spacy_bert_ner.corpus.docbin import read_docs
from spacy_bert_ner.evaluate.predict import predict_view
from spacy_bert_ner.review.candidates import write_candidates
from spacy_bert_ner.review.data_curve import measure_curve
from spacy_bert_ner.review.estimate import estimate_noise
from spacy_bert_ner.review.find import find_label_errors
from spacy_bert_ner.review.folds import draw_folds, train_folds, train_part
from spacy_bert_ner.review.judge import judge_words, score_docs
from spacy_bert_ner.review.power_law import PowerLaw
from spacy_bert_ner.review.suggest import choose as choose_texts
from spacy_bert_ner.review.suggest import find_vector, scout

app = typer.Typer()
CHANGES = ("label", "border", "removed", "invented")


@app.callback()
def main() -> None:
    """Choose one of the experiments."""


def add_noise(
    docs: list, share: float, seed: int, hardness: list[list[float]] | None = None
) -> dict[int, list[tuple[int, int, str]]]:
    """Change some entities in place; give doc → (start, end, what) of each change.

    An entity is chosen as often as its hardness says, or all equally often.
    """
    rng = random.Random(seed)
    labels = sorted({ent.label_ for doc in docs for ent in doc.ents})
    places = [(i, k) for i, doc in enumerate(docs) for k in range(len(doc.ents))]
    number = int(share * len(places))
    if hardness is None:
        chosen = rng.sample(places, number)
    else:  # weighted, without replacement (Efraimidis and Spirakis 2006)
        chosen = sorted(places, key=lambda x: -(rng.random() ** (1 / hardness[x[0]][x[1]])))[
            :number
        ]
    changed: dict[int, list[tuple[int, int, str]]] = {}
    for number, (i, k) in enumerate(chosen):
        doc, kind = docs[i], CHANGES[number % len(CHANGES)]
        if any(what != "invented" for *_, what in changed.get(i, [])):
            continue  # one change for each sentence, so that numbers of entities stay right
        ents = list(doc.ents)
        place = change(doc, ents, k, kind, labels, rng)
        if place is None:
            continue
        doc.ents = ents
        changed.setdefault(i, []).append((*place, kind))
    return changed


def change(doc, ents, k, kind, labels, rng):
    """Change one entity of a list; give the tokens that are concerned, or None."""
    ent = ents[k]
    if kind == "removed":
        del ents[k]
        return ent.start, ent.end
    if kind == "label":
        label = rng.choice([label for label in labels if label != ent.label_])
        ents[k] = Span(doc, ent.start, ent.end, label=label)
        return ent.start, ent.end
    taken = {i for other in ents for i in range(other.start, other.end)}
    if kind == "border":
        starts = [(ent.start - 1, ent.end), (ent.start, ent.end + 1)]
        if ent.end - ent.start > 1:
            starts += [(ent.start + 1, ent.end), (ent.start, ent.end - 1)]
        inside = set(range(ent.start, ent.end))
        options = [
            (a, b)
            for a, b in starts
            if a >= 0 and b <= len(doc) and not (set(range(a, b)) - inside) & taken
        ]
        if not options:
            return None
        a, b = rng.choice(options)
        ents[k] = Span(doc, a, b, label=ent.label_)
        return min(a, ent.start), max(b, ent.end)
    free = [i for i in range(len(doc)) if i not in taken and doc[i].is_alpha]
    if not free:
        return None
    i = rng.choice(free)
    ents.append(Span(doc, i, i + 1, label=rng.choice(labels)))
    ents.sort(key=lambda span: span.start)
    return i, i + 1


@app.command()
def noise(
    corpus: Path,
    work: Path,
    encoder: Path = Path("assets/encoder"),
    config: Path = Path("configs/config.cfg"),
    share: float = 0.05,
    folds: int = 3,
    epochs: int = 2,
    seed: int = 0,
) -> None:
    """Find the changed entities again."""
    work.mkdir(parents=True, exist_ok=True)
    vocab = spacy.blank("en").vocab
    clean = list(read_docs(corpus / "train.spacy", vocab))
    docs = [doc.copy() for doc in clean]
    changed = add_noise(docs, share, seed)
    data = work / "noisy.spacy"
    DocBin(docs=docs).to_disk(data)
    overrides = {"paths.encoder": str(encoder), "training.max_epochs": epochs}
    loaded = load_config(config, overrides=overrides, interpolate=False)
    models = train_folds(data, loaded, work / "folds", folds=folds, seed=seed)
    candidates, summary = find_label_errors(data, models)
    write_candidates(candidates, work / "candidates.jsonl")
    n_changed = sum(map(len, changed.values()))
    hits, found = [], set()
    for candidate in candidates:
        doc, _, start, end = map(int, candidate.id.split("-")[:4])
        ours = [x for x in changed.get(doc, []) if x[0] < end and start < x[1]]
        hits.append(bool(ours))
        found.update((doc, *x) for x in ours)
    result = {
        "sentences": len(docs),
        "entities": summary["n_entities"],
        "changed": n_changed,
        "candidates": len(candidates),
        "precision": {
            n: sum(hits[:n]) / n for n in (50, 100, 200, 500, n_changed) if n <= len(hits)
        },
        "recall_at_twice": _recall(candidates, changed, 2 * n_changed),
        "recall_of_all": {
            kind: sum(x[3] == kind for x in found)
            / max(1, sum(x[2] == kind for xs in changed.values() for x in xs))
            for kind in CHANGES
        },
        "wrong_share": summary["wrong_share"],
        "f1_of_a_perfect_model": summary["f1_of_a_perfect_model"],
    }
    print(json.dumps(result, indent=2))
    (work / "result.json").write_text(json.dumps(result, indent=2), encoding="utf8")


@app.command()
def bounds(
    data: Path,
    work: Path = Path("noise"),
    model: Path | None = None,
    shares: str = "0,1,2,5,10,20",
    folds: int = 3,
    fold_seed: int = 0,
    seeds: int = 3,
) -> None:
    """Compare the bounds of the share of wrong labels with what was made wrong."""
    vocab = spacy.blank("en").vocab
    docs = list(read_docs(data, vocab))
    models = [(model, list(range(len(docs))))]
    if model is None:
        fold_of = draw_folds(list(read_docs(work / "noisy.spacy", vocab)), folds, seed=fold_seed)
        models = [
            (
                work / f"folds/fold-{k + 1}/model/model-best",
                [i for i, x in enumerate(fold_of) if x == k],
            )
            for k in range(folds)
        ]
    scored = {}
    for path, numbers in models:
        ours = score_docs(spacy.load(path), "ner", [docs[i] for i in numbers])
        scored.update(zip(numbers, ours, strict=True))
    clean = {i: judge_words(docs[i], *scored[i][2:]) for i in scored}
    hardness = [
        [_measure_hardness(ent, clean[i]) for ent in doc.ents] for i, doc in enumerate(docs)
    ]
    for share in map(float, shares.split(",")):
        for way in ("anywhere", "hard") if share else ("anywhere",):
            for seed in range(seeds if share else 1):
                ours = [doc.copy() for doc in docs]
                changed = add_noise(ours, share / 100, seed, hardness if way == "hard" else None)
                said = dict(clean)
                said.update({i: judge_words(ours[i], *scored[i][2:]) for i in changed})
                found = estimate_noise(list(said.values()))
                added = sum(map(len, changed.values())) / found["n_places"]
                low, high = found["wrong_share"]["interval"]
                figures = added, found["wrong_share"]["value"], low, high, found["differing_share"]
                print(f"{share:g} %", way, seed, *(f"{100 * x:.2f}" for x in figures), flush=True)


def _measure_hardness(ent, said) -> float:
    places = (x for x in said.places if x.start < ent.end and ent.start < x.end)
    return 1.01 - next((x.found_prob for x in places), 0.5)


def _recall(candidates, changed, n: int) -> float:
    found = set()
    for candidate in candidates[:n]:
        doc, _, start, end = map(int, candidate.id.split("-")[:4])
        found.update((doc, *x) for x in changed.get(doc, []) if x[0] < end and start < x[1])
    return len(found) / max(1, sum(map(len, changed.values())))


@app.command()
def retrain(
    corpus: Path,
    work: Path,
    encoder: Path = Path("assets/encoder"),
    config: Path = Path("configs/config.cfg"),
    share: float = 0.05,
    epochs: int = 2,
    seed: int = 0,
) -> None:
    """Correct what `noise` found, and compare F1: as it was, wrong, corrected.

    An annotator is played by the data: of the first places, twice as many as there are changed
    entities, those that touch a change get the sentence's labels from before.
    """
    clean = list(read_docs(corpus / "train.spacy", spacy.blank("en").vocab))
    docs = [doc.copy() for doc in clean]
    changed = add_noise(docs, share, seed)
    lines = (work / "candidates.jsonl").read_text("utf8").splitlines()
    places = [json.loads(line)["id"] for line in lines]
    fixed = {
        doc
        for doc, _, start, end in (
            map(int, name.split("-")[:4]) for name in places[: 2 * sum(map(len, changed.values()))]
        )
        if any(x[0] < end and start < x[1] for x in changed.get(doc, []))
    }
    sets = {
        "wrong": docs,
        "corrected": [clean[i] if i in fixed else doc for i, doc in enumerate(docs)],
        "as it was": clean,
    }
    overrides = {"paths.encoder": str(encoder), "training.max_epochs": epochs}
    loaded = load_config(config, overrides=overrides, interpolate=False)
    dev = list(read_docs(corpus / "dev.spacy", spacy.blank("en").vocab))
    result = {}
    for name, train_docs in sets.items():
        folder = work / "retrained" / name.replace(" ", "-")
        model = train_part(loaded, {"train": train_docs, "dev": dev}, folder)
        result[name] = score(model, corpus / "test.spacy")
        print(name, result[name], flush=True)
    (work / "retrained.json").write_text(json.dumps(result, indent=2), encoding="utf8")


@app.command()
def choose(
    corpus: Path,
    work: Path,
    encoder: Path = Path("assets/encoder"),
    config: Path = Path("configs/config.cfg"),
    start: int = 500,
    step: int = 500,
    rounds: int = 3,
    epochs: int = 3,
    seed: int = 0,
) -> None:
    """Start with some sentences, add chosen or random ones, and compare F1 at each size."""
    docs = list(read_docs(corpus / "train.spacy", spacy.blank("en").vocab))
    dev = list(read_docs(corpus / "dev.spacy", spacy.blank("en").vocab))[:300]
    random.Random(seed).shuffle(docs)
    overrides = {"paths.encoder": str(encoder), "training.max_epochs": epochs}
    loaded = load_config(config, overrides=overrides, interpolate=False)
    result: dict[str, dict[int, float]] = {"random": {}, "suggest": {}}
    for way, scores in result.items():
        ours, pool = docs[:start], docs[start:]
        for number in range(rounds + 1):
            folder = work / f"{'start' if number == 0 else way}-{len(ours)}-{seed}"
            model = train_part(loaded, {"train": ours, "dev": dev}, folder)
            scores[len(ours)] = score(model, corpus / "test.spacy")
            print(way, len(ours), scores[len(ours)], flush=True)
            (work / f"choose-{seed}.json").write_text(json.dumps(result, indent=2), "utf8")
            if number == rounds:
                break
            chosen = range(step)
            if way == "suggest":
                chosen = suggest_docs(model, pool, step)
            ours = ours + [pool[i] for i in chosen]
            taken = set(chosen)
            pool = [doc for i, doc in enumerate(pool) if i not in taken]


@app.command()
def forecast(
    corpus: Path,
    work: Path,
    encoder: Path = Path("assets/encoder"),
    config: Path = Path("configs/config.cfg"),
    shares: str = "3,6.25,12.5,25,50,100",
    known: float = 25,
    seeds: int = 2,
) -> None:
    """Forecast F1 from the smaller parts of the data, and see whether the larger ones hold."""
    loaded = load_config(config, overrides={"paths.encoder": str(encoder)}, interpolate=False)
    points = measure_curve(
        corpus / "train.spacy",
        corpus / "dev.spacy",
        loaded,
        work,
        shares=parse_shares(shares),
        seeds=seeds,
    )
    largest = max(n for n, _, _ in points) * known / 100
    ours = [point for point in points if point[0] <= largest * 1.001]
    law = PowerLaw([n for n, _, _ in ours], [f for *_, f in ours])
    for n, seed, f in points:
        low, high = law.forecast(n, with_noise=True)[1:]
        is_new = n > largest * 1.001
        print(n, seed, f, (low, high), ("holds" if low <= f <= high else "fails") * is_new)


@app.command()
def join(
    corpus: Path,
    work: Path,
    encoder: Path = Path("assets/encoder"),
    config: Path = Path("configs/config.cfg"),
    halves: str = "PER,LOC/ORG,MISC",
    epochs: int = 3,
) -> None:
    """Train on two halves that annotate different labels."""
    vocab = spacy.blank("en").vocab
    full, dev = (list(read_docs(corpus / f"{part}.spacy", vocab)) for part in ("train", "dev"))
    labels = [half.split(",") for half in halves.split("/")]
    plain = [doc.copy() for doc in full]
    for i, doc in enumerate(plain):
        doc.ents = [ent for ent in doc.ents if ent.label_ in labels[i % 2]]
    joined = [mark_annotated(doc.copy(), labels[i % 2]) for i, doc in enumerate(plain)]
    overrides = {"paths.encoder": str(encoder), "training.max_epochs": epochs}
    loaded = load_config(config, overrides=overrides, interpolate=False)
    result = {}
    for name, docs in {"joined": joined, "plain": plain, "full": full}.items():
        model = train_part(loaded, {"train": docs, "dev": dev}, work / name)
        result[name] = score(model, corpus / "dev.spacy")
        print(name, result[name], flush=True)
    (work / "join.json").write_text(json.dumps(result, indent=2), encoding="utf8")


def suggest_docs(model: Path, pool: list, number: int) -> list[int]:
    """Choose docs of a pool by what a model makes of their words."""
    nlp = spacy.load(model)
    ner = nlp.get_pipe("ner")
    scouted = [
        (scout(item, find_vector(ner.model, item), ()), i)
        for i, item in enumerate(score_docs(nlp, "ner", pool))
    ]
    numbers = {id(found): i for found, i in scouted}
    return [numbers[id(found)] for found in choose_texts([x for x, _ in scouted], number)]


def score(model: Path, test: Path) -> float:
    """Give a model's F1 on the words of the test set."""
    return predict_view(spacy.load(model), test, gold_words=True).spacy["ents_f"]


if __name__ == "__main__":
    app()
