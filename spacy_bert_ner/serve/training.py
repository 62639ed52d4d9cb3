"""The annotations of a Label Studio project → a training run of its own → the model served next."""

import asyncio
import json
import os
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from spacy.language import Language
from starlette.exceptions import HTTPException

from .. import load
from .batcher import Batcher, set_thread_device
from .monitor import log_event, log_fault

URL, KEY = "LABEL_STUDIO_URL", "LABEL_STUDIO_API_KEY"


class Trainer:
    """Train on a project's annotations, one run at a time, and serve the model when it is scored.

    A run has a folder of its own: the export, the docs, the model and a log.

    batcher (Batcher): Serves the model.
    """

    def __init__(self, batcher: Batcher):
        """Be idle."""
        self.batcher = batcher
        self.state: dict[str, Any] = {"status": "idle"}
        self._folder = Path()
        self._task: asyncio.Task[None] | None = None

    def start(self, project: int) -> None:
        """Start a run, if none is going on.

        project (int): The project's number.
        RAISES (HTTPException): 409, if the server was not started for training, or trains.
        """
        settings = self.batcher.settings
        if not settings.train_config or settings.workers > 1 or {URL, KEY} - {*os.environ}:
            raise HTTPException(
                409,
                "This server does not train. Start it with one worker, a config for training, and "
                f"the variables {URL} and {KEY}.",
            )
        if self._task and not self._task.done():
            raise HTTPException(409, "A training run is going on; /label-studio/training shows it.")
        self._folder = Path(settings.train_output) / time.strftime("%Y%m%dT%H%M%S")
        self.state = {"status": "running", "folder": str(self._folder)}
        self._task = asyncio.create_task(self._run(project))

    def show(self) -> dict[str, Any]:
        """RETURNS (Dict[str, Any]): How far the last run is, or why it failed."""
        if not self._task:
            return self.state
        state = {**self.state, "log": _read_last(self._folder / "log.txt")}
        if line := _read_last(self._folder / "model" / "log.jsonl"):
            state["progress"] = json.loads(line)
        return state

    async def stop(self) -> None:
        """Stop the run that is going on."""
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self, project: int) -> None:
        folder, settings = self._folder, self.batcher.settings
        try:
            folder.mkdir(parents=True)
            data, corpus, model = folder / "export.json", folder / "corpus", folder / "model"
            data.write_bytes(await asyncio.to_thread(_fetch_export, project))
            await self._call("convert", data, corpus, "--split", "80/20")
            paths = (f"--paths.{part}={corpus / part}.spacy" for part in ("train", "dev"))
            flags = ("--output", model, "--gpu-id", settings.gpu_id, *paths)
            await self._call("train", settings.train_config, *flags)
            nlp = await asyncio.to_thread(_load, model / "model-best", settings.gpu_id)
            score = nlp.meta["performance"]["ents_f"]
            nlp.meta["version"] += f"+{folder.name}"  # Label Studio keeps predictions apart by it
            self.batcher.replace(nlp)
            self.state = {**self.state, "status": "done", "ents_f": score}
            log_event("trained", folder=str(folder), ents_f=score)
        except Exception as error:
            log_fault(error)
            self.state = {**self.state, "status": "failed", "error": str(error)}

    async def _call(self, command: str, *args: Any) -> None:
        self.state = {**self.state, "step": command}
        with (self._folder / "log.txt").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "spacy", "bert-ner", command, *map(str, args)),
                stdin=asyncio.subprocess.DEVNULL,
                env={**os.environ, "ANSI_COLORS_DISABLED": "1"},
                stdout=log,
                stderr=log,
            )
            try:
                code = await process.wait()
            except asyncio.CancelledError:
                process.terminate()
                await process.wait()
                raise
        if code:
            raise RuntimeError(f"{command} ended with exit code {code}; see {log.name}")


def _load(path: Path, gpu_id: int) -> Language:
    set_thread_device(gpu_id)
    return load(path)


def _fetch_export(project: int) -> bytes:
    key = os.environ[KEY]
    if key.count(".") == 2:  # a personal token is exchanged for one that is valid for minutes
        answer = _ask("/api/token/refresh", json.dumps({"refresh": key}).encode())
        authorization = f"Bearer {json.loads(answer)['access']}"
    else:
        authorization = f"Token {key}"
    return _ask(f"/api/projects/{project}/export?exportType=JSON", authorization=authorization)


def _ask(path: str, body: bytes | None = None, authorization: str = "") -> bytes:
    url = os.environ[URL].rstrip("/") + path
    headers = {"content-type": "application/json"}
    if authorization:
        headers["authorization"] = authorization
    request = urllib.request.Request(url, body, headers)  # noqa: S310 - the operator's own address
    with urllib.request.urlopen(request, timeout=300) as answer:  # noqa: S310
        return bytes(answer.read())


def _read_last(path: Path) -> str:
    # The last whole line: what follows the last line break may still be written.
    text = path.read_text(encoding="utf8", errors="replace") if path.is_file() else ""
    lines = text.rpartition("\n")[0].split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
