"""Say at once, and not after the model is loaded, that a GPU cannot be used."""

import typer
from wasabi import msg


def main(*, gpu_id: int = -1) -> None:
    """Exit with an error if the GPU with this number cannot be used; -1 is the CPU."""
    if gpu_id < 0:
        return
    # Here, because importing torch takes seconds.
    from spacy_bert_ner.machine import check_gpu

    try:
        check_gpu(gpu_id)
    except ValueError as error:
        msg.fail(str(error), exits=1)


if __name__ == "__main__":
    typer.run(main)
