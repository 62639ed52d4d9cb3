"""The number of a GPU → an error if it cannot be used, before anything is loaded."""

from spacy_bert_ner.cli._app import run_script
from spacy_bert_ner.machine import check_gpu


def main(*, gpu_id: int = -1) -> None:
    """Exit with an error if the GPU with this number cannot be used; -1 is the CPU."""
    check_gpu(gpu_id)


if __name__ == "__main__":
    run_script(main)
