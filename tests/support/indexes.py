"""Folders as pip's only index: this machine's configuration of pip does not matter."""

import os


def use_index(monkeypatch, folder):
    """Let pip look into a folder only, whatever the environment and pip.conf say."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
