"""Missing packages, or newly built wheels → the pip command that installs exactly these."""

import importlib
import shlex
from collections.abc import Iterable, Sequence
from importlib.metadata import requires
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PLUGIN = "spacy-bert-ner"


def list_requirements(extra: str = "") -> list[Requirement]:
    """List what this plugin requires, or what one of its extras adds.

    extra (str): The name of the extra; empty for the plugin itself.
    RETURNS (List[Requirement]): The requirements; none if there is no such extra.
    """
    found = [Requirement(text) for text in requires(PLUGIN) or []]
    if not extra:
        return [need for need in found if not need.marker or need.marker.evaluate({"extra": ""})]
    return [
        need
        for need in found
        if need.marker
        and need.marker.evaluate({"extra": extra})
        and not need.marker.evaluate({"extra": ""})
    ]


def install_extra(extra: str) -> str:
    """Get the command that installs what an extra adds.

    The command names the packages themselves, not "spacy-bert-ner[extra]": on the
    package index, that name may belong to someone else.

    extra (str): The name of the extra.
    RETURNS (str): The command.
    """
    # Without the marker, which says that it belongs to the extra.
    return install_packages(str(need).partition(";")[0] for need in list_requirements(extra))


def import_extra(module: str, extra: str, *, used_by: str) -> Any:
    """Import a module of a package that only an extra brings.

    module (str): The module.
    extra (str): The name of the extra.
    used_by (str): What needs it.
    RETURNS (module): The module.
    RAISES (ValueError): If it is not installed, with the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ValueError(
            f"{used_by} needs {module.partition('.')[0]}, which is not installed or cannot be "
            f"loaded ({error}). Install it: {install_extra(extra)}"
        ) from error


def install_packages(needs: Iterable[str]) -> str:
    """Get the command that installs packages from the package index.

    needs (Iterable[str]): Requirements, such as "torch>=2.10". For this plugin itself,
        the advice is to use its wheel.
    RETURNS (str): The command.

    EXAMPLE:
        >>> install_packages(["torch>=2.10"])
        "pip install 'torch>=2.10'"
    """
    texts = list(needs)
    others = [text for text in texts if canonicalize_name(Requirement(text).name) != PLUGIN]
    advice = [f"pip install {shlex.join(others)}"] if others else []
    if len(others) < len(texts):
        advice.append(f"{PLUGIN} from the wheel that came with the model (pip install FILE.whl)")
    return ", and ".join(advice)


def install_wheels(wheels: Sequence[Path]) -> str:
    """Get the command that installs wheels that were built here.

    The command names the files, so pip does not look for other packages of these names
    on the package index. Without the plugin's wheel, pip may not use an index at all.

    wheels (Sequence[Path]): The wheels of a model and, perhaps, of this plugin.
    RETURNS (str): The command.

    EXAMPLE:
        >>> install_wheels([Path("out/en_x-1.0-py3-none-any.whl")])
        'pip install --no-index out/en_x-1.0-py3-none-any.whl'
    """
    prefix = f"{PLUGIN.replace('-', '_')}-"
    has_plugin = any(wheel.name.startswith(prefix) for wheel in wheels)
    options = [] if has_plugin else ["--no-index"]
    return shlex.join(["pip", "install", *options, *map(str, wheels)])


def find_reason(output: str) -> str:
    """Find why pip failed in what it wrote.

    output (str): What pip wrote to stdout and stderr.
    RETURNS (str): Its last error; its last lines if it did not come so far, for example
        because its configuration is damaged.

    EXAMPLE:
        >>> find_reason("ERROR: No matching distribution found")
        'No matching distribution found'
    """
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return " ".join(errors[-1:] or lines[-4:])[:500] or "no reason given"
