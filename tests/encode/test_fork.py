"""Torch's threads in a process that was forked, and in one that was not."""

import os

import pytest
import torch

from spacy_bert_ner.encode.fork import use_one_thread_in_a_fork


def run_in_child(function):
    """The bytes that a function gives in a forked process."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.write(writer, function())
        os._exit(0)
    os.waitpid(child, 0)
    return os.read(reader, 9)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_only_a_fork_has_one_thread(monkeypatch):
    before, asked = torch.get_num_threads(), []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)

    def use_in_child():
        use_one_thread_in_a_fork()
        use_one_thread_in_a_fork()
        return str(asked).encode()

    assert run_in_child(use_in_child) == b"[1]"
    use_one_thread_in_a_fork()
    assert asked == [] and torch.get_num_threads() == before
