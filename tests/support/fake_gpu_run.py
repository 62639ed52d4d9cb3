"""Pipelines on a stand-in for a GPU, in a process of their own: prints what was counted as JSON.

python -m support.fake_gpu_run FOLDER
"""

import contextlib
import io
import json
import random
import sys
from pathlib import Path

import spacy
from spacy.training import Example
from thinc.api import (
    Adam,
    fix_random_seed,
    get_current_ops,
    require_cpu,
    require_gpu,
    set_current_ops,
)

from spacy_bert_ner.optimize.optimizers import make_adamw_v1, make_sgd_v1
from spacy_bert_ner.score.calibrate import calibrate
from spacy_bert_ner.train import loop
from spacy_bert_ner.train.dev_loss import measure_dev
from spacy_bert_ner.train.epochs import Progress
from spacy_bert_ner.train.resume import load_checkpoint, save_checkpoint
from spacy_bert_ner.train.train import train
from support import fake_cupy
from support.checkpoints import build_checkpoint
from support.fake_cupy import counting
from support.listening import OURS, STOCK, TRAIN, make_transformer
from support.runs import StopError
from support.runs import make as make_run

TEXTS = [text for text, _ in TRAIN]
PIECES = {"@architectures": "spacy-bert-ner.PieceListener.v1"}
FORMS = {"@architectures": "spacy-bert-ner.WordForms.v1"}
FORMS2 = {"@architectures": "spacy-bert-ner.WordForms.v2"}
SHAPE = {"@architectures": "spacy-bert-ner.WordShape.v1"}


def tokens(**options):
    return {"@architectures": "spacy-bert-ner.TokenClassifier.v1", "tok2vec": OURS, **options}


def pieces(**options):
    return {"@architectures": "spacy-bert-ner.PieceClassifier.v1", "tok2vec": PIECES, **options}


def make_adamw(learn_rate=0.01, **options):
    return make_adamw_v1(learn_rate, layer_decay=0.9, head_factor=2.0, **options)


LOSS = {"class_weights": "balanced", "label_smoothing": 0.1, "focal_gamma": 1.0}
BY_PIECES = {"pooling": "pieces"}
# Heads, settings of the transformer's model, optimizer and settings of the component.
CASES = {
    "forms, averages": ([tokens(features=FORMS, hidden=8)], {}, make_adamw, {"average_decay": 0.9}),
    "forms without case": ([tokens(features=FORMS2)], {}, make_adamw, {}),
    "shape, single tags": ([tokens(features=SHAPE, decoder="valid")], {}, make_adamw, LOSS),
    "mean": ([tokens()], {"pooling": "mean"}, make_adamw, {}),
    "last": ([tokens()], {"pooling": "last"}, make_adamw, {}),
    "two heads": ([tokens(), tokens(features=FORMS)], {}, make_adamw, {}),
    "stock listener": ([tokens(tok2vec=STOCK)], {}, make_adamw, {}),
    "ours and stock": ([tokens(), tokens(tok2vec=STOCK)], {}, make_adamw, {}),
    "stock and ours": ([tokens(tok2vec=STOCK), tokens()], {}, make_adamw, {}),
    "Adam": ([tokens(features=FORMS)], {}, Adam, {"use_averages": True}),
    "SGD": ([tokens()], {}, make_sgd_v1, {"momentum": 0.9}),
    "first piece": ([pieces(aggregation="first", features=FORMS2)], BY_PIECES, make_adamw, {}),
    "average of pieces": ([pieces(features=FORMS)], BY_PIECES, make_adamw, {}),
    "best piece": ([pieces(aggregation="max")], BY_PIECES, make_adamw, {}),
    "all pieces": ([pieces(label_all_pieces=True, features=SHAPE)], BY_PIECES, make_adamw, {}),
    "two batches a step": ([tokens()], {}, make_adamw, {"accumulate_batches": 2}),
    "frozen": ([tokens(features=FORMS)], {"freeze": "all"}, make_adamw, {}),
    "shapes in bfloat16": (
        [tokens()], {"shapes": True, "compute_dtype": "bfloat16"}, make_adamw, {},
    ),
}  # fmt: skip


def make_nlp(encoder, heads, settings, loss):
    nlp = spacy.blank("en")
    model = make_transformer(encoder, **settings)
    nlp.add_pipe("transformer", config={"model": model, "max_batch_items": 10**6})
    for i, head in enumerate(heads):
        config = {"model": head}
        if loss:
            config["loss"] = {"@losses": "spacy-bert-ner.TagLoss.v1", **loss}
        nlp.add_pipe("bert_ner", name=f"ner{i}" if i else "ner", config=config)
    return nlp


def make_examples(nlp, n):
    return [
        Example.from_dict(nlp.make_doc(text), {"entities": gold["entities"]})
        for text, gold in TRAIN * n
    ]


def read_ents(nlp):
    return [[(ent.text, ent.label_) for ent in doc.ents] for doc in nlp.pipe(TEXTS)]


def run(folder, encoder, heads, settings, make_optimizer, options):
    loss = options if options is LOSS else None
    nlp = make_nlp(encoder, heads, settings, loss)
    fix_random_seed(0)
    nlp.initialize(lambda: make_examples(nlp, 3))
    optimizer = make_optimizer(**({} if loss else options), **(
        {} if make_optimizer is make_adamw else {"learn_rate": 0.01}
    ))  # fmt: skip
    losses, found = [], {}
    for n in (1, 3, 3, 3, 3, 6):
        examples = make_examples(nlp, n)
        with counting() as moves:
            losses.append(nlp.update(examples, sgd=optimizer, drop=0.1)["ner"])
            optimizer.step_schedules()
        found["update", len(examples)] = moves
    if optimizer.averages:
        with nlp.use_params(optimizer.averages):
            list(nlp.pipe(TEXTS))
    for n in (2, 8):
        texts, examples = TEXTS * n, make_examples(nlp, n)
        with counting() as moves:
            list(nlp.pipe(texts, batch_size=len(texts)))
        found["pipe", len(texts)] = moves
        with counting() as moves:
            calibrate(nlp, "ner", examples)
        found["calibrate", len(texts)] = moves
        with counting() as moves:
            measure_dev(nlp, examples)
        found["dev loss", len(texts)] = moves
    doc = nlp(TEXTS[0])
    for head in nlp.pipe_names[1:]:
        nlp.get_pipe(head).predict_tag_probs(doc)
        nlp.get_pipe(head).predict_readings(doc)
    expected = read_ents(nlp)
    nlp.to_disk(folder / "model")
    progress = Progress(step=5, order=[0], batch_random=random.getstate())
    save_checkpoint(folder / "checkpoint", nlp, optimizer, progress, data={})
    again = make_nlp(encoder, heads, settings, loss)
    again.initialize(lambda: make_examples(again, 3))
    load_checkpoint(folder / "checkpoint", again, make_optimizer(learn_rate=0.01))
    loaded = [read_ents(again), read_ents(spacy.load(folder / "model"))]
    return {
        "losses": losses,
        "moves": [[task, n, moves] for (task, n), moves in found.items()],
        "places": sorted(f"{n} {' '.join(key)}" for key, n in fake_cupy.PLACES.items()),
        "is kept": [ents == expected for ents in loaded],
        "ents": expected,
    }


def train_and_resume(folder, encoder):
    """Whether a stopped and resumed run ends with the weights of an unbroken one."""

    def run_training(output, *, resume=False):
        config = make_run(folder, **{"training.dropout": 0.3, "training.eval_frequency": 5})
        config["nlp"]["pipeline"] = ["transformer", "ner"]
        model = make_transformer(encoder)
        config["components"]["transformer"] = {"factory": "transformer", "model": model}
        config["components"]["ner"]["model"]["tok2vec"] = OURS
        stream = io.StringIO()
        return train(config, folder / output, resume=resume, stdout=stream, stderr=stream)

    unbroken = run_training("unbroken")
    save, saved = loop.Training._save_results, []

    def save_and_stop(training):
        save(training)
        saved.append(training)
        if len(saved) == 2:
            raise StopError

    loop.Training._save_results = save_and_stop
    with contextlib.suppress(StopError):
        run_training("stopped")
    loop.Training._save_results = save
    fix_random_seed(99)
    resumed = run_training("stopped", resume=True)
    return len(saved) == 2 and all(
        unbroken.get_pipe(name).model.to_bytes() == resumed.get_pipe(name).model.to_bytes()
        for name in unbroken.pipe_names
    )


def find_ops(device):
    if device == "fake":
        return fake_cupy.install()
    require_gpu() if device == "cuda" else require_cpu()
    return get_current_ops()


def main(folder, device="fake"):
    ops = find_ops(device)
    encoder = build_checkpoint("bert", folder / "encoder")
    found = {}
    set_current_ops(ops)
    for name, case in CASES.items():
        (folder / name / "checkpoint").mkdir(parents=True)
        found[name] = run(folder / name, encoder, *case)
    found["is resumed"] = train_and_resume(folder, encoder)
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
