"""The command `serve`: flags over `spacy_bert_ner.serve.server.run_server`."""

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
    batch_words: int = typer.Option(512, "--batch-words", help="Words predicted at once"),
    wait_ms: float = typer.Option(
        2.0, "--wait-ms", help="Milliseconds that a batch waits for more texts"
    ),
    queue_words: int = typer.Option(
        100_000, "--queue-words", help="Words that may wait; beyond, requests get 429"
    ),
    max_texts: int = typer.Option(256, "--max-texts", help="Texts in a request"),
    max_chars: int = typer.Option(100_000, "--max-chars", help="Characters in a text"),
    max_body: int = typer.Option(2_000_000, "--max-body", help="Bytes in a request"),
    timeout: float = typer.Option(30.0, "--timeout", help="Seconds to send or answer a request"),
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
        wait_ms=wait_ms,
        queue_words=queue_words,
        max_texts=max_texts,
        max_chars=max_chars,
        max_body=max_body,
        timeout=timeout,
    )
    check_gpu(gpu_id)
    try:
        from ..serve.server import bind, run_server
        from ..serve.workers import run_workers
    except ModuleNotFoundError as error:
        raise ValueError(
            f"Serving needs the package {error.name}. Run `{install_extra('serve')}`."
        ) from error
    sock = bind(host, port)
    host, port, *_ = sock.getsockname()
    shown = f"[{host}]" if ":" in host else host
    show_note(f"{model} at http://{shown}:{port} as soon as it is loaded; Ctrl-C stops it.")
    if workers > 1:
        run_workers(settings, sock)
    else:
        run_server(settings, sock)
