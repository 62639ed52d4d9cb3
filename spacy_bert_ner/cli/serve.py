"""The command `serve`: flags over `spacy_bert_ner.serve.server.run_server`."""

import socket

import typer

from ..install import install_extra
from ._app import command
from ._errors import show_note


@command("serve")
def serve_cli(
    model: str = typer.Argument(..., help="A model folder, or an installed model package"),
    host: str = typer.Option(
        "127.0.0.1", "--host", help="Address to listen at; 0.0.0.0 lets other machines in"
    ),
    port: int = typer.Option(8000, "--port", help="Port; 0 for any free one", max=65535),
    workers: int = typer.Option(1, "--workers", help="Processes; each loads the model"),
    gpu_id: int = typer.Option(-1, "--gpu-id", "-g", help="GPU, or -1 for the CPU"),
    batch_words: int = typer.Option(1024, "--batch-words", help="Words predicted at once"),
    queue_words: int = typer.Option(
        100_000, "--queue-words", help="Words that may wait; beyond, requests get 429"
    ),
    max_texts: int = typer.Option(256, "--max-texts", help="Texts in a request"),
    max_chars: int = typer.Option(100_000, "--max-chars", help="Characters in a text"),
    max_body: int = typer.Option(2_000_000, "--max-body", help="Bytes in a request"),
    timeout: float = typer.Option(30.0, "--timeout", help="Seconds to send or answer a request"),
    train_config: str = typer.Option(
        "", "--train-config", help="Config with which to train on Label Studio's annotations"
    ),
    train_output: str = typer.Option(
        "trained", "--train-output", help="Folder that gets a folder for each training run"
    ),
) -> None:
    """Serve a model to many clients: API, a page to try it at /, OpenAPI at /docs, metrics.

    There is no login: other machines should reach it through a proxy that has one.
    """
    from ..machine import check_gpu
    from ..serve.settings import ServerSettings

    settings = ServerSettings(
        model=model,
        workers=workers,
        gpu_id=gpu_id,
        batch_words=batch_words,
        queue_words=queue_words,
        max_texts=max_texts,
        max_chars=max_chars,
        max_body=max_body,
        timeout=timeout,
        train_config=train_config,
        train_output=train_output,
    )
    check_gpu(gpu_id)
    try:
        from ..serve.server import run_server, run_workers
    except ModuleNotFoundError as error:
        raise ValueError(
            f"Serving needs the package {error.name}. Run `{install_extra('serve')}`."
        ) from error
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.create_server((host, port), family=family, backlog=2048)
    host, port, *_ = sock.getsockname()
    shown = f"[{host}]" if ":" in host else host
    show_note(f"{model} at http://{shown}:{port} as soon as it is loaded; Ctrl-C stops it.")
    (run_workers if workers > 1 else run_server)(settings, sock)
