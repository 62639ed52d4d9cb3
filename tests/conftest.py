"""Fixtures shared by all tests: a switch for the slow ones; tiny encoders."""

import signal

import pytest
from hypothesis import HealthCheck, settings
from support.checkpoints import build_checkpoint
from support.hub_server import hub  # noqa: F401 - a fixture
from support.pipelines import make_nlp, train


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="also run whole workflows")


def pytest_configure():
    # A shell lets what it starts in the background ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # The same examples in each run, however slow the machine is.
    slow = [HealthCheck.too_slow]
    settings.register_profile(
        "steady", deadline=None, derandomize=True, database=None, suppress_health_check=slow
    )
    settings.load_profile("steady")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--slow"):
        return
    skip = pytest.mark.skip(reason="slow: run with --slow")
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def get_encoder(tmp_path_factory):
    """A function that gives the folder of a tiny encoder of some kind, built once."""
    root = tmp_path_factory.mktemp("encoders")

    def get(kind="bert"):
        folder = root / kind
        return folder if folder.exists() else build_checkpoint(kind, folder)

    return get


@pytest.fixture(scope="module")
def trained():
    """A pipeline without a transformer that finds something; tests must not change it."""
    nlp = make_nlp()
    train(nlp, n_steps=20)
    return nlp
