"""What pip builds and installs from: this machine's configuration of pip does not matter."""

import os
from importlib.util import find_spec

# pip builds with the setuptools that is installed here, if there is one: quicker by far. (For pip,
# "0" is the opposite of what the name says.)
BUILD_HERE = {"PIP_NO_BUILD_ISOLATION": "0"} if find_spec("setuptools") else {}


def use_index(monkeypatch, folder):
    """Let pip look into a folder only, whatever the environment and pip.conf say."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
