"""Fixtures shared by all tests: a switch for the slow ones."""

import pytest


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="also run whole workflows")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--slow"):
        return
    skip = pytest.mark.skip(reason="slow: run with --slow")
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(skip)
