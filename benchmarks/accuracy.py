"""One recipe and one corpus → entity F1 over several seeds, as rows of a table.

    python benchmarks/accuracy.py ours --train train.spacy --dev dev.spacy \\
        --encoder assets/encoder --corpus "CoNLL-2003 dev" --epochs 3 --seeds 0 1 2 \\
        --set components.ner.model.decoder=crf

Recipes: `ours` (configs/config.cfg), `stock` (configs/stock.cfg) and `hugging-face`
(a softmax over the first piece of each word, as in the course's tutorial). All get
the same encoder, epochs, batches of 32 sentences and words, and are scored once,
after the last epoch, with the counting of conlleval. Peers compute in float32, as
they do by default; ours in bfloat16 where the processor has it. Each run is a line of
accuracy.jsonl, so seeds can be added one by one; accuracy.md is made of all lines.

The corpora, made by `python -m spacy bert-ner convert`:

    CoNLL-2003           train=eng.train.gz dev=eng.testa.gz conll
    CoNLL-2002 Spanish   train=….zip:esp.train dev=….zip:esp.testa test=….zip:esp.testb \\
                         --allow-leaks --lang es spanish
    Kaggle               --dataset kaggle kaggle
    Kaggle 1,000         --dataset kaggle --limit 1000 kaggle-1000

"Kaggle 1,000, first draw" has 1,000 other sentences. Its command was not kept, so compare
its rows only with each other.
"""

import argparse
import json
import math
import tempfile
import time
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import spacy
import torch
from accuracy_table import make_table
from spacy.cli.train import train
from spacy.tokens import DocBin
from torch.nn.functional import cross_entropy
from transformers import AutoModelForTokenClassification, AutoTokenizer
from transformers.trainer_pt_utils import get_length_grouped_indices

from spacy_bert_ner.encode.transformer import get_shim
from spacy_bert_ner.schemes import Span, spans_to_tags, tags_to_spans
from spacy_bert_ner.score.scorer import score_corpus

ROOT = Path(__file__).parent.parent
BATCH = 32
PEER_RATE = 2e-4
Sentence = tuple[list[str], list[Span]]


def main() -> None:
    """Run a recipe with each seed, append a line for each, and rewrite the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", choices=["ours", "stock", "hugging-face"])
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--dev", type=Path, required=True)
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--corpus", required=True, help="what the table calls the corpus")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument(
        "--rate", type=float, help="highest rate; by default the config's, for peers 2e-4"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=JSON", help="config settings")
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks/results/accuracy.jsonl")
    args = parser.parse_args()
    settings = dict(pair.split("=", 1) for pair in args.set)
    for seed in args.seeds:
        begin = time.perf_counter()
        score, dtype = train_and_score(args, seed, settings)
        seconds = time.perf_counter() - begin
        print(f"seed {seed}: F1 {score:.2f}, {seconds:.0f} s", flush=True)
        run = {name: getattr(args, name) for name in ("corpus", "recipe", "epochs", "rate")}
        run |= {"settings": " ".join(args.set), "dtype": dtype, "seed": seed}
        run |= {"f1": round(score, 2), "seconds": round(seconds)}
        args.results.parent.mkdir(parents=True, exist_ok=True)
        with args.results.open("a", encoding="utf8") as file:
            file.write(json.dumps(run) + "\n")
    args.results.with_suffix(".md").write_text(make_table(args.results), encoding="utf8")


def train_and_score(
    args: argparse.Namespace, seed: int, settings: dict[str, str], *, keep: Path | None = None
) -> tuple[float, str]:
    """Train a recipe, and score the last weights.

    args (argparse.Namespace): recipe, train, dev, encoder, epochs and rate.
    seed (int): The seed.
    settings (Dict[str, str]): Other settings of the recipe.
    keep (Optional[Path]): Where the trained pipeline or model goes.
    RETURNS (Tuple[float, str]): F1 in percent; the precision that it was computed in.
    """
    if args.recipe == "hugging-face":
        return run_hugging_face(args, seed, settings, keep), "float32"
    return run_spacy(args, seed, settings, keep)


def run_spacy(
    args: argparse.Namespace, seed: int, settings: dict[str, str], keep: Path | None
) -> tuple[float, str]:
    """Train with `spacy train`; score the last weights, in percent, and name the precision."""
    overrides: dict[str, Any] = {
        "paths.train": str(args.train),
        "paths.dev": str(args.dev),
        "paths.encoder": str(args.encoder),
        "system.seed": seed,
        "training.max_epochs": args.epochs,
        **(plan_ours(args) if args.recipe == "ours" else plan_stock(args)),
        **{name: read_value(value) for name, value in settings.items()},
    }
    config = ROOT / "configs" / ("config.cfg" if args.recipe == "ours" else "stock.cfg")
    with tempfile.TemporaryDirectory() as output:
        train(config, output, overrides=overrides)
        nlp = spacy.load(Path(output) / "model-last")
        score = 100 * score_corpus(nlp, args.dev, gold_words=True)["ents_f"]
        if keep is not None:
            nlp.to_disk(keep)
    if args.recipe == "stock":
        return score, "float32"
    # bfloat16 where the processor has it, unless the settings say otherwise
    dtype = get_shim(nlp.get_pipe("transformer").model).dtype  # type: ignore[attr-defined]
    return score, str(dtype).removeprefix("torch.")


def plan_ours(args: argparse.Namespace) -> dict[str, Any]:
    """Evaluate once, at the end; the schedule follows the epochs by itself."""
    rate = {} if args.rate is None else {"training.optimizer.learn_rate.rate": args.rate}
    return {"initialize.after_init.eval_every": "100%", **rate}


def plan_stock(args: argparse.Namespace) -> dict[str, Any]:
    """Count the steps for spaCy's own schedule, with a tenth of warm-up."""
    n_steps = args.epochs * math.ceil(len(DocBin().from_disk(args.train)) / BATCH)
    return {
        "training.max_steps": 0,
        # The one evaluation that counts comes after training.
        "training.eval_frequency": n_steps + 1,
        "training.batcher.size": BATCH,
        "training.optimizer.learn_rate.initial_rate": args.rate or PEER_RATE,
        "training.optimizer.learn_rate.warmup_steps": n_steps // 10,
        "training.optimizer.learn_rate.total_steps": n_steps,
    }


def read_value(text: str) -> Any:
    """Read a setting as JSON, or as text if it is not JSON."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def run_hugging_face(
    args: argparse.Namespace, seed: int, settings: dict[str, str], keep: Path | None
) -> float:
    """Train a token classifier as the tutorials do, and score it, in percent.

    The only setting is the Trainer's: group_by_length=true makes batches of sentences
    of similar length, which is quicker.
    """
    if unknown := settings.keys() - {"group_by_length"}:
        raise SystemExit(f"hugging-face has no setting {', '.join(sorted(unknown))}")
    is_grouped = read_value(settings.get("group_by_length", "false"))
    torch.manual_seed(seed)
    sentences, dev = list(read_sentences(args.train)), list(read_sentences(args.dev))
    labels = sorted({label for _, spans in sentences for *_, label in spans})
    tags = ["O", *(f"{prefix}-{label}" for label in labels for prefix in "BI")]
    tokenizer = AutoTokenizer.from_pretrained(args.encoder)
    model = AutoModelForTokenClassification.from_pretrained(args.encoder, num_labels=len(tags))
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.rate or PEER_RATE, weight_decay=0.01)
    n_steps = args.epochs * math.ceil(len(sentences) / BATCH)
    warmup = max(1, n_steps // 10)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, [lambda i: min(i / warmup, (n_steps - i) / (n_steps - warmup))]
    )
    generator = torch.Generator().manual_seed(seed)
    lengths = [len(tokenizer(words, is_split_into_words=True).input_ids) for words, _ in sentences]
    model.train()
    for _ in range(args.epochs):
        if is_grouped:
            order = get_length_grouped_indices(lengths, BATCH, generator=generator)
        else:
            order = torch.randperm(len(sentences), generator=generator).tolist()
        for i in range(0, len(order), BATCH):
            batch = [sentences[j] for j in order[i : i + BATCH]]
            inputs, first = encode([words for words, _ in batch], tokenizer)
            gold = [
                torch.tensor([tags.index(tag) for tag in spans_to_tags(spans, len(words))])
                for words, spans in batch
            ]
            scores = model(**inputs).logits
            rows = torch.cat([scores[k, at] for k, at in enumerate(first)])
            # Words beyond the encoder's length have no piece, and no loss.
            known = torch.cat([y[: len(at)] for y, at in zip(gold, first, strict=True)])
            cross_entropy(rows, known).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    if keep is not None:
        model.config.id2label = dict(enumerate(tags))
        model.config.label2id = {tag: i for i, tag in enumerate(tags)}
        model.save_pretrained(keep)
        tokenizer.save_pretrained(keep)
    return score_hugging_face(model.eval(), tokenizer, tags, dev)


def score_hugging_face(
    model: torch.nn.Module, tokenizer: Any, tags: Sequence[str], sentences: Sequence[Sentence]
) -> float:
    """Score the best tag of each word, read as conlleval does, in percent."""
    n_right = n_found = n_gold = 0
    for i in range(0, len(sentences), 64):
        batch = sentences[i : i + 64]
        inputs, first = encode([words for words, _ in batch], tokenizer)
        with torch.inference_mode():
            best = model(**inputs).logits.argmax(dim=-1)
        for k, (_, gold) in enumerate(batch):
            found = set(tags_to_spans([tags[tag] for tag in best[k, first[k]].tolist()]))
            n_right += len(found & set(gold))
            n_found += len(found)
            n_gold += len(gold)
    return 200 * n_right / (n_found + n_gold)


def encode(sentences: list[list[str]], tokenizer: Any) -> tuple[Any, list[torch.Tensor]]:
    """Tokenize words and find the first piece of each."""
    inputs = tokenizer(
        sentences, is_split_into_words=True, truncation=True, padding=True, return_tensors="pt"
    )
    first = []
    for k in range(len(sentences)):
        words = inputs.word_ids(k)
        is_first = [w is not None and w != v for v, w in pairwise([None, *words])]
        first.append(torch.tensor(is_first).nonzero()[:, 0])
    return inputs, first


def read_sentences(path: Path) -> Iterable[Sentence]:
    """Read the words and entities of each doc of a DocBin file."""
    for doc in DocBin().from_disk(path).get_docs(spacy.blank("en").vocab):
        yield (
            [token.text for token in doc],
            [(ent.start, ent.end, ent.label_) for ent in doc.ents],
        )


if __name__ == "__main__":
    main()
