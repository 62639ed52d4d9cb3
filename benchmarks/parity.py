"""Our numbers against seqeval, nervaluate and scikit-learn, on random tags.

Install them into a folder of their own. seqeval has no wheel, and newer releases of
setuptools_scm break its build (`tests/evaluate/test_peers.py` does the same in CI):

    echo 'setuptools_scm<9' > limits.txt
    PIP_CONSTRAINT=limits.txt PIP_BUILD_CONSTRAINT=limits.txt \\
        pip install --target peers seqeval==1.2.2 nervaluate==1.2.1
    PYTHONPATH=peers:. python benchmarks/parity.py --output benchmarks/results/parity.md
"""

import argparse
import random
import warnings
from importlib.metadata import version
from pathlib import Path

import nervaluate
import seqeval.metrics
import sklearn.metrics
from seqeval.scheme import IOB2
from wasabi import MarkdownRenderer

from spacy_bert_ner.evaluate.counts import count_spans, sum_counts, summarize
from spacy_bert_ner.evaluate.partial import score_partial
from spacy_bert_ner.evaluate.rules import RULES, score_by_rules
from spacy_bert_ner.evaluate.tokens import score_pieces, score_tags
from spacy_bert_ner.schemes import spans_to_tags, tags_to_spans

LABELS = ("PER", "LOC", "ORG")
TAGS = ["O", "O", *(f"{prefix}-{label}" for prefix in "BI" for label in LABELS)]
KINDS = ("correct", "incorrect", "partial", "missed", "spurious")


def main() -> None:
    """Draw corpora, compare every number, and write what was compared as Markdown."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--corpora", type=int, default=1000)
    args = parser.parse_args()
    warnings.simplefilter("ignore")  # seqeval warns of labels that nothing has
    rng = random.Random(0)
    worst: dict[str, tuple[int, float]] = {}
    for _ in range(args.corpora):
        pairs = draw_pairs(rng)
        for name, difference in compare(pairs):
            n, before = worst.get(name, (0, 0.0))
            worst[name] = n + 1, max(before, difference)
    tools = ", ".join(f"{x} {version(x)}" for x in ("seqeval", "nervaluate", "scikit-learn"))
    lines = [
        "# Parity with other tools",
        "",
        f"{args.corpora:,} random corpora of 1 to 8 lines of 1 to 12 tags, 3 labels, "
        f"ill-formed tags among them; {tools}. Written by `benchmarks/parity.py`.",
        "",
        MarkdownRenderer().table(
            [(name, f"{n:,}", f"{value:.1e}") for name, (n, value) in worst.items()],
            ("compared", "numbers", "largest difference"),
            ("l", "r", "r"),
        ),
    ]
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text("\n".join(lines) + "\n", encoding="utf8")
    print("\n".join(lines))
    if any(value > 1e-9 for _, value in worst.values()):
        raise SystemExit("The numbers differ.")


def draw_pairs(rng: random.Random) -> list[tuple[list[str], list[str]]]:
    """Draw gold and found tags; half of the found ones are the gold ones."""
    pairs = []
    for _ in range(rng.randint(1, 8)):
        gold = rng.choices(TAGS, k=rng.randint(1, 12))
        pairs.append((gold, [rng.choice([tag, tag, rng.choice(TAGS)]) for tag in gold]))
    # Without any entity, seqeval's reports fail.
    pairs.append((["B-PER", "I-PER"], ["B-PER", "I-PER"]))
    return pairs


def compare(pairs):
    """Yield what was compared, and how far apart the two figures are."""
    gold, found = [list(side) for side in zip(*pairs, strict=True)]
    for mode, rule in (({}, "seqeval"), ({"mode": "strict", "scheme": IOB2}, "seqeval strict")):
        report = seqeval.metrics.classification_report(gold, found, output_dict=True, **mode)
        read = RULES[rule]
        ours = summarize(count_spans((read(a), read(b)) for a, b in pairs))
        rows = {"micro avg": ours["micro"], "macro avg": ours["macro"]}
        rows |= {"weighted avg": ours["weighted"], **ours["labels"]}
        for name, theirs in report.items():
            yield from compare_rows(
                f"{rule}: P, R, F, micro, macro, weighted, per label", rows[name], theirs
            )
        micro = score_by_rules(pairs)["rules"][rule]["f"]
        yield f"{rule}: `f1_score`", abs(micro - seqeval.metrics.f1_score(gold, found, **mode))
    tags = score_tags(pairs)
    flat = [tag for side in gold for tag in side], [tag for side in found for tag in side]
    report = sklearn.metrics.classification_report(*flat, output_dict=True, zero_division=0)
    yield "scikit-learn: accuracy", abs(tags["accuracy"] - report.pop("accuracy"))
    rows = {"macro avg": tags["macro"], "weighted avg": tags["weighted"], **tags["tags"]}
    for name, theirs in report.items():
        yield from compare_rows(
            "scikit-learn: P, R, F of each tag and averages", rows[name], theirs
        )
    yield from compare_partial(pairs)
    pieces = [[1 + len(tag) % 3 for tag in side] for side in gold]
    long_gold, long_found = (
        [
            [t for t, n in zip(*row, strict=True) for _ in range(n)]
            for row in zip(side, pieces, strict=True)
        ]
        for side in (gold, found)
    )
    theirs = seqeval.metrics.f1_score(long_gold, long_found)
    yield "seqeval: tags repeated for pieces", abs(score_pieces(pairs, pieces)["f"] - theirs)


def compare_rows(name, ours, theirs):
    """Yield the differences of precision, recall and F-score."""
    for key, their_key in (("p", "precision"), ("r", "recall"), ("f", "f1-score")):
        yield name, abs(ours[key] - theirs[their_key])


def compare_partial(pairs):
    """Yield the differences to nervaluate, on well-formed tags of the same entities."""
    spans = [tuple(tags_to_spans(tags) for tags in pair) for pair in pairs]
    clean = [
        [spans_to_tags(row[side], len(pair[0])) for row, pair in zip(spans, pairs, strict=True)]
        for side in (0, 1)
    ]
    report = nervaluate.Evaluator(*clean, tags=list(LABELS), loader="list").evaluate()["overall"]
    ours = score_partial(spans)
    for mode, theirs in (
        ("strict", "strict"),
        ("exact", "exact"),
        ("partial", "partial"),
        ("type", "ent_type"),
    ):
        row = report[theirs]
        for kind in KINDS:
            yield f"nervaluate: {mode}", abs(ours[mode][kind] - getattr(row, kind))
        for key, their_key in (("p", "precision"), ("r", "recall"), ("f", "f1")):
            yield f"nervaluate: {mode}", abs(ours[mode][key] - getattr(row, their_key))
    micro = sum_counts(count_spans(spans).values())
    yield (
        "nervaluate: strict against our micro F",
        abs(micro.to_scores()["f"] - report["strict"].f1),
    )


if __name__ == "__main__":
    main()
