"""Peak memory while many sentences are read: the docs alone, and the whole pipeline.

    python benchmarks/memory.py --encoder assets/encoder --corpus dev.spacy --layers 1

Each case runs in its own process, and the model is loaded in all of them. Fewer layers
make it quicker; the vectors, which take the memory, stay as wide.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections import deque
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

from inference import DEFAULT_SIZE, RESULTS, Table
from peak import read_peak
from pipelines import build_ours, fit, read_docs
from spacy.language import Language
from spacy.tokens import Doc
from timing import describe_machine, write_results


def cut_layers(encoder: Path, folder: Path, n_layers: int) -> Path:
    """RETURNS (Path): A copy of the encoder with its first layers only."""
    shutil.copytree(encoder, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": n_layers}))
    return folder


def make_words(nlp: Language, docs: list[Doc], n_docs: int) -> Iterator[Doc]:
    """YIELDS (Doc): Docs of the corpus's words, over and over, as they are asked for."""
    words = [[token.text for token in doc] for doc in docs]
    for row in islice(cycle(words), n_docs):
        yield Doc(nlp.vocab, words=row)


def run_case(encoder: str, corpus: Path, n_docs: int, *, is_whole: bool, is_held: bool) -> int:
    """Read sentences in this process.

    is_whole (bool): Whether the components run, or the docs only pass through.
    is_held (bool): Whether the docs are kept.
    RETURNS (int): Peak memory of the process in MiB.
    """
    warnings.filterwarnings("ignore")
    docs = read_docs(corpus)
    nlp = fit(build_ours(encoder), docs[:200], steps=2)
    list(nlp.pipe(make_words(nlp, docs, 100)))
    disable = [] if is_whole else nlp.pipe_names
    stream = nlp.pipe(make_words(nlp, docs, n_docs), batch_size=DEFAULT_SIZE, disable=disable)
    deque(stream, maxlen=None if is_held else 0)  # keeps all of them, or none
    return round(read_peak())


def main() -> None:
    """Run the cases one after the other, print the ratios and write them down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", type=Path, default=Path("assets/encoder"))
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--docs", type=int, default=200_000)
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.case:
        options = {"is_whole": "whole" in args.case, "is_held": "held" in args.case}
        print(run_case(str(args.encoder), args.corpus, args.docs, **options))
        return
    table = Table()
    with tempfile.TemporaryDirectory() as folder:
        encoder = cut_layers(args.encoder, Path(folder) / "encoder", args.layers)
        command = [sys.executable, __file__, "--encoder", str(encoder), "--docs", str(args.docs)]
        command += ["--corpus", str(args.corpus), "--case"]
        for held, label in (("", "streamed"), ("held", "streamed and all kept")):
            outputs = [
                subprocess.run([*command, case + held], capture_output=True, text=True, check=True)
                for case in ("docs", "whole")
            ]
            alone, whole = (int(output.stdout.split()[-1]) for output in outputs)
            what = f"{args.docs} sentences {label}, {args.layers} layers, peak MiB"
            ratio = f"{whole / alone:.2f}× {alone} (docs alone, model loaded)"
            table.add(what, str(whole), against=ratio, target="≤ 1.1×")
    print(write_results(RESULTS, "memory", describe_machine(), table.rows))


if __name__ == "__main__":
    main()
