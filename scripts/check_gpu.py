"""Say at once, and not after the model is loaded, that a GPU cannot be used."""

import typer
from wasabi import msg

from spacy_bert_ner.devices import check_gpu


def main(*, gpu_id: int = -1) -> None:
    """Exit with an error if the GPU with this number cannot be used; -1 is the CPU."""
    try:
        check_gpu(gpu_id)
    except ValueError as error:
        msg.fail(str(error), exits=1)


if __name__ == "__main__":
    typer.run(main)
