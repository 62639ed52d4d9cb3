"""Functions and commands in processes of their own, to be killed at random moments."""

import multiprocessing
import os
import signal
import sys
import time

import pytest
import spacy

from support.commands import run
from support.hub_server import go_online

_context = multiprocessing.get_context("forkserver")
# A server forks the processes: nothing is imported twice, and no thread is forked.
_context.set_forkserver_preload(["support.kills", "support.runs", "spacy_bert_ner.package.wheels"])
spacy.blank("en")  # imports what all entry points name, transformers too: three seconds


def fork(function, *args, **kwargs):
    """Start a process that calls a function of a module."""
    process = _context.Process(target=_call, args=(function, *args), kwargs=kwargs)
    process.start()
    return process


def _call(function, *args, **kwargs):
    # A shell lets what it starts in the background ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    function(*args, **kwargs)


def _run(args, environment, cache):
    os.environ.update(environment)
    if "HF_ENDPOINT" in environment:
        go_online(pytest.MonkeyPatch(), cache, environment["HF_ENDPOINT"])
    code, output = run(*args)
    sys.exit(output if code else 0)


def start(args, environment, cache):
    return fork(_run, args, environment, cache)


def run_to_its_end(args, environment, cache):
    """Give the seconds that it took."""
    began = time.monotonic()
    process = start(args, environment, cache)
    process.join()
    assert process.exitcode == 0
    return time.monotonic() - began


def read_tree(folder):
    """Give the bytes of each file, by its path in the folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
