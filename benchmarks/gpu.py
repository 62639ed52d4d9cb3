"""What a GPU gives: ours, spaCy's stock pipeline and the bare encoder, in eight minutes.

    pip install '.[cuda12x]'        # or cuda13x: the major version of torch's CUDA
    python benchmarks/gpu.py        # --device cpu --quick: a little of it, to see that it works

It needs no network: encoders have random weights, and texts come from `assets/kaggle`. For a
machine without network, fetch what it needs elsewhere: `pip download -d wheels '.[cuda12x]'`,
then `pip install --no-index --find-links wheels 'spacy-bert-ner[cuda12x]'` there.

Writes `benchmarks/results/gpu-<device>.md` and `.json`. Rows that the time did not allow say so.
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import spacy
import torch
from pipelines import build_ours, build_stock, copy_words, run_bare, stubbed_encoder
from spacy.language import Language
from spacy.scorer import Scorer
from spacy.training import Example
from thinc.api import Adam, fix_random_seed, require_cpu, require_gpu
from timing import describe_machine, write_results
from tokenizers import BertWordPieceTokenizer
from transformers import BertConfig, BertModel, BertTokenizerFast

from spacy_bert_ner.corpus.reader import make_corpus_reader_v1
from spacy_bert_ner.encode.transformer import get_shim
from spacy_bert_ner.machine import check_gpu
from spacy_bert_ner.optimize.optimizers import make_adamw_v1

ROOT = Path(__file__).parents[1]
CORPUS = ROOT / "assets/kaggle/ner_dataset.csv.zip"
# Width, layers, attention heads.
SHAPES = {"MiniLM-L6": (384, 6, 12), "BERT-base": (768, 12, 12), "BERT-large": (1024, 24, 16)}
FIRST = (
    "import sys, time; start = time.perf_counter(); import spacy; "
    "spacy.require_gpu() if sys.argv[2] == 'cuda' else None; "
    "list(spacy.load(sys.argv[1])('Alex lives in London.').ents); "
    "print(time.perf_counter() - start)"
)


class Bench:
    """The device, the data, and the rows so far."""

    def __init__(self, *, device: str, quick: bool, minutes: float) -> None:
        """Read the data and build a vocabulary from it."""
        self.device, self.quick = device, quick
        self.deadline = time.monotonic() + 60 * minutes
        self.rows: list[dict[str, str]] = []
        self.folder = Path(tempfile.mkdtemp())
        n_sentences = 80 if quick else 6000
        reader = make_corpus_reader_v1(str(CORPUS), limit=2 * n_sentences, gold_preproc=True)
        self.examples = list(reader(spacy.blank("en")))
        self.sentences = [eg.reference.text for eg in self.examples[:n_sentences]]
        firsts = range(0, n_sentences, 20)
        self.pages = [" ".join(self.sentences[i : i + 20]) for i in firsts]
        tokenizer = BertWordPieceTokenizer(lowercase=False)
        tokenizer.train_from_iterator(self.sentences, vocab_size=12_000, show_progress=False)
        tokenizer.save_model(str(self.folder))

    def add(self, encoder: str, what: str, value: float | str, unit: str = "") -> None:
        """Add a row, and print it."""
        text = value if isinstance(value, str) else f"{float(f'{value:.3g}'):,.7g}"
        self.rows.append({"encoder": encoder, "what": what, "value": f"{text} {unit}".strip()})
        print(*self.rows[-1].values(), sep=" | ", flush=True)

    def wait(self) -> None:
        """Wait until the device has done what it was given."""
        if self.device == "cuda":
            torch.cuda.synchronize()

    def measure(self, run: Callable[[], Any], *, rounds: int = 3) -> float:
        """RETURNS (float): Seconds of a call: the median, after one that does not count."""
        seconds = []
        for _ in range(1 + (1 if self.quick else rounds)):
            self.wait()
            start = time.perf_counter()
            run()
            self.wait()
            seconds.append(time.perf_counter() - start)
        return statistics.median(seconds[1:])

    @contextlib.contextmanager
    def section(self, encoder: str, what: str, *, needs: float) -> Iterator[bool]:
        """Give whether the time allows for a part that needs so many seconds; report its memory."""
        is_on = self.deadline - time.monotonic() > (0 if self.quick else needs)
        if not is_on:
            self.add(encoder, what, "not run: no time left")
        if self.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        yield is_on
        if is_on and self.device == "cuda":
            peak = torch.cuda.max_memory_allocated() / 2**30
            self.add(encoder, f"{what}: peak memory", peak, "GB")


def write_encoder(bench: Bench, name: str) -> str:
    """RETURNS (str): The folder of an encoder of a known shape, with random weights."""
    width, n_layers, n_heads = SHAPES[name]
    config = BertConfig(
        hidden_size=width,
        num_hidden_layers=2 if bench.quick else n_layers,
        num_attention_heads=n_heads,
        intermediate_size=4 * width,
        vocab_size=28_996,
    )
    folder = bench.folder / name
    torch.manual_seed(0)
    BertModel(config).save_pretrained(folder)
    BertTokenizerFast(str(bench.folder / "vocab.txt"), do_lower_case=False).save_pretrained(folder)
    return str(folder)


def make_examples(nlp: Language, examples: list[Example]) -> list[Example]:
    """RETURNS (List[Example]): The same sentences, for another pipeline."""
    docs = [eg.reference for eg in examples]
    return [Example(x, y) for x, y in zip(copy_words(nlp, docs), docs, strict=True)]


def start(bench: Bench, build: Callable[..., Language], encoder: str, **options: Any) -> Language:
    """RETURNS (Language): A pipeline that has learned a little, so that it really predicts."""
    nlp = build(encoder, **options)
    for eg in bench.examples:
        for ent in eg.reference.ents:
            nlp.vocab.strings.add(ent.label_)
    examples = make_examples(nlp, bench.examples[:200])
    fix_random_seed(0)
    nlp.initialize(lambda: examples)
    return nlp


def train(nlp: Language, examples: list[Example], optimizer: Any, n_steps: int) -> None:
    """Take steps of 32 sentences each."""
    for i in range(n_steps):
        first = 32 * i % max(1, len(examples) - 31)
        nlp.update(examples[first : first + 32], sgd=optimizer, drop=0.1)
        optimizer.step_schedules()


def read_all(nlp: Language, texts: list[str], batch_size: int) -> Callable[[], None]:
    """RETURNS (Callable): Reads all texts."""
    return lambda: deque(nlp.pipe(texts, batch_size=batch_size), maxlen=0)


def compare_reading(bench: Bench, name: str, ours: Language, stock: Language) -> None:
    """Measure `nlp.pipe` on raw text."""
    for kind, texts in (("sentences", bench.sentences), ("pages", bench.pages)):
        with bench.section(name, f"reading {kind}", needs=60) as is_on:
            if not is_on:
                continue
            n_words = sum(len(ours.make_doc(text)) for text in texts)
            sizes = (256,) if bench.quick else (64, 256)
            other = min(bench.measure(read_all(stock, texts, size), rounds=1) for size in sizes)
            seconds = bench.measure(read_all(ours, texts, 512))
            with stubbed_encoder():
                host = bench.measure(read_all(ours, texts, 512))
            bare = bench.measure(run_bare(ours, texts))
            for what, value, unit in (
                ("ours", n_words / seconds, "words/s"),
                ("stock (best of batch sizes)", n_words / other, "words/s"),
                ("the bare encoder, without masks", n_words / bare, "words/s"),
                ("ours against stock", other / seconds, "×"),
                ("ours against the bare encoder", bare / seconds, "×"),
                ("host, encoder stubbed", 1e6 * host / n_words, "µs a word"),
                ("share of the host", 100 * host / seconds, "%"),
            ):
                bench.add(name, f"{kind}: {what}", value, unit)


def compare_compiled(bench: Bench, name: str, ours: Language) -> None:
    """Measure our reading with a compiled encoder."""
    with bench.section(name, "torch.compile", needs=120) as is_on:
        if not is_on:
            return
        shim = get_shim(ours.get_pipe("transformer").model)
        model = shim._get_model_to_predict()
        plain, model.encoder = model.encoder, torch.compile(model.encoder, dynamic=True)
        n_words = sum(len(ours.make_doc(text)) for text in bench.sentences)
        try:
            seconds = bench.measure(read_all(ours, bench.sentences, 512))
            bench.add(name, "sentences: ours, compiled", n_words / seconds, "words/s")
        except (RuntimeError, OSError) as error:  # no compiler
            bench.add(name, "torch.compile", f"failed: {str(error).splitlines()[0][:80]}")
        model.encoder = plain


def compare_training(bench: Bench, name: str, ours: Language, stock: Language) -> None:
    """Measure `nlp.update` on batches of 32 sentences."""
    n_steps = 2 if bench.quick else 20
    for label, nlp, optimizer in (
        ("ours", ours, make_adamw_v1(5e-5, layer_decay=0.9)),
        ("stock", stock, Adam(5e-5)),
    ):
        with bench.section(name, f"training: {label}", needs=40) as is_on:
            if is_on:
                examples = make_examples(nlp, bench.examples[: 32 * n_steps])
                seconds = bench.measure(lambda: train(nlp, examples, optimizer, n_steps), rounds=1)  # noqa: B023
                n_words = sum(map(len, examples))
                bench.add(name, f"training: {label}", n_words / seconds, "words/s")


def run_python(arguments: list[str], **options: Any) -> subprocess.CompletedProcess:
    """RETURNS (CompletedProcess): What a new process of Python printed."""
    command = [sys.executable, "-W", "ignore", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def measure_first_answer(bench: Bench, name: str, ours: Language) -> None:
    """Measure a new process, from the first import to the first entities."""
    ours.to_disk(bench.folder / "model")
    done = run_python(["-c", FIRST, str(bench.folder / "model"), bench.device])
    done.check_returncode()
    bench.add(name, "a new process, to the first answer", float(done.stdout.split()[-1]), "s")


def compare_f1(bench: Bench, encoder: str) -> None:
    """Train for a moment on the device and on the processor, with the same seed."""
    n_steps = 2 if bench.quick else 60
    for device in dict.fromkeys([bench.device, "cpu"]):
        with bench.section("MiniLM-L6", f"F1 on {device}", needs=60) as is_on:
            if not is_on:
                continue
            require_gpu() if device == "cuda" else require_cpu()
            half = len(bench.examples) // 2
            nlp = start(bench, build_ours, encoder)
            train(nlp, make_examples(nlp, bench.examples[:half]), make_adamw_v1(1e-3), n_steps)
            held_out = make_examples(nlp, bench.examples[half : half + 500])
            docs = nlp.pipe([eg.predicted for eg in held_out])
            found = [Example(doc, eg.reference) for doc, eg in zip(docs, held_out, strict=True)]
            f1 = 100 * (Scorer.score_spans(found, "ents")["ents_f"] or 0.0)
            bench.add("MiniLM-L6", f"F1 after {n_steps} steps on {device}", f1, "%")
    require_gpu() if bench.device == "cuda" else require_cpu()


def repeat_tests(bench: Bench) -> None:
    """Run the pipelines that CI runs on a stand-in for CuPy, on the device."""
    script = ["-m", "support.fake_gpu_run", str(bench.folder / "tests"), bench.device]
    with bench.section("tiny", "pipelines of the tests", needs=40) as is_on:
        if not is_on:
            return
        done = run_python(script, cwd=ROOT / "tests")
        if done.returncode:
            bench.add("tiny", "pipelines of the tests", f"failed: {done.stderr.splitlines()[-1]}")
            return
        found = json.loads(done.stdout)
        is_resumed = found.pop("is resumed")
        fell = {name: case["losses"][-1] < case["losses"][0] for name, case in found.items()}
        wrong = [name for name in found if not (fell[name] and all(found[name]["is kept"]))]
        bench.add("tiny", f"{len(found)} pipelines learn and are kept; wrong", str(wrong or "none"))
        bench.add("tiny", "a resumed run ends with the same weights", str(is_resumed))


def main() -> None:
    """Measure everything, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--quick", action="store_true", help="little text, no repeats")
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    if args.device == "cuda":
        check_gpu(0)
        require_gpu()
    bench = Bench(device=args.device, quick=args.quick, minutes=args.minutes)
    if not args.quick:
        repeat_tests(bench)
    for name in list(SHAPES)[: 1 if args.quick else None]:
        encoder = write_encoder(bench, name)
        ours, stock = start(bench, build_ours, encoder), start(bench, build_stock, encoder)
        compare_reading(bench, name, ours, stock)
        compare_training(bench, name, ours, stock)
        if not args.quick:
            compare_compiled(bench, name, ours)
        measure_first_answer(bench, name, ours)
        if name == "MiniLM-L6":
            compare_f1(bench, encoder)
        del ours, stock
    machine = describe_machine()
    machine["arguments"] = " ".join(sys.argv[1:])
    machine["host"] = machine["processor"]
    machine["processor"] = machine["gpu"] or machine["host"]  # names the files
    write_results(args.output, "gpu", machine, bench.rows)


if __name__ == "__main__":
    main()
