"""An error of the package → one message on stderr that names flags, and exit code 1."""

import inspect
import io
import json
import os
import re
import select
import shlex
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from importlib.metadata import version
from pathlib import Path
from typing import Any, TextIO, get_args

import click
import typer
from tqdm import tqdm
from typer.models import OptionInfo, ParameterInfo
from wasabi import Printer

EXPECTED = (ValueError, OSError, MemoryError, click.ClickException)
"""What is raised when the input, the settings or the machine are at fault, not the code."""

# `name` or `name = value`, as library errors write a setting.
_SETTING = re.compile(r"`([a-z_]\w*)(?: = ([^`]+))?`")
_flags: ContextVar[Mapping[str, str] | None] = ContextVar("flags", default=None)
_printer = Printer(no_print=True)


class Terminated(KeyboardInterrupt):
    """SIGTERM: the process cleans up and says that it stopped, as on Ctrl-C."""


@contextmanager
def shown_errors(function: Callable[..., None]) -> Iterator[None]:
    """Show an expected error as one message; end with exit code 1.

    An unexpected error keeps its traceback, followed by how to report it. SIGTERM
    ends the command as Ctrl-C does.

    function (Callable): The function of the command, for the names of its flags.
    """
    _open_streams()
    token = _flags.set(find_flags(function))
    try:
        with _terminable():
            yield
            sys.stdout.flush()
    except (typer.Exit, typer.Abort, typer.BadParameter):
        raise
    except EXPECTED as error:
        if _close_broken_streams() and isinstance(error, BrokenPipeError):
            sys.exit(128 + signal.SIGPIPE)  # as in `… | head -1`: whoever read has enough
        _say(_printer.fail(name_flags(describe_error(error))))
        sys.exit(1)
    except Terminated:
        _say(_printer.fail("Stopped by SIGTERM."))
        sys.exit(128 + signal.SIGTERM)
    except Exception:
        traceback.print_exc()
        _say(
            _printer.fail(
                f"This is a fault of spacy-bert-ner {version('spacy-bert-ner')}, not of your data. "
                "Please report it with the traceback above, the command and the output of "
                "`python -m spacy info`."
            )
        )
        sys.exit(1)
    finally:
        _flags.reset(token)


def _open_streams() -> None:
    # A shell may close them (`2>&-`). Then the next file that is opened has their number.
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf8"))  # noqa: SIM115
    # The names of files may have bytes that are no text in the locale's encoding.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _close_broken_streams() -> bool:
    # What they still hold would fail again when Python ends. Gives whether there was one.
    broken = [stream for stream in (sys.stdout, sys.stderr) if _is_broken(stream)]
    for stream in broken:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())
    return bool(broken)


def _is_broken(stream: TextIO) -> bool:
    try:
        number = stream.fileno()
    except OSError:  # no file, for example in a test
        return False
    watch = select.poll()
    watch.register(number, 0)
    return any(event & select.POLLERR for _, event in watch.poll(0))


@contextmanager
def _terminable() -> Iterator[None]:
    # Only the main thread may set handlers; another one leaves SIGTERM as it is.
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: Any) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def describe_error(error: BaseException) -> str:
    """Describe an error in words that need no traceback.

    error (BaseException): The error.
    RETURNS (str): Its message. An error of the operating system says which path, and why.
    """
    if isinstance(error, MemoryError):
        return "Out of memory. Close other programs, or give the command less data at a time."
    if isinstance(error, OSError) and error.strerror:
        places = " → ".join(str(name) for name in (error.filename, error.filename2) if name)
        return f"{places or 'Reading or writing failed'}: {error.strerror}."
    if isinstance(error, click.ClickException):
        return error.format_message()
    return str(error) or type(error).__name__


def find_flags(function: Callable[..., None]) -> dict[str, str]:
    """Find the flag or argument of each parameter of a command.

    function (Callable): The function of the command, with typer's annotations or defaults.
    RETURNS (Dict[str, str]): The parameter's name → `--flag`, or ARGUMENT in capitals.
    """
    found = {}
    for name, parameter in inspect.signature(function).parameters.items():
        infos = [*get_args(parameter.annotation)[1:], parameter.default]
        info = next((item for item in infos if isinstance(item, ParameterInfo)), None)
        if isinstance(info, OptionInfo):
            flags = [flag for flag in info.param_decls or () if flag.startswith("--")]
            found[name] = flags[0] if flags else f"--{name.replace('_', '-')}"
        elif info is not None or parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            found[name] = name.upper()
        else:  # a script's keyword
            found[name] = f"--{name.replace('_', '-')}"
    return found


def name_flags(text: str, flags: Mapping[str, str] | None = None) -> str:
    """Write the settings that a message names as flags of the command that runs.

    text (str): A message of the package: a setting is `name` or `name = value`.
    flags (Mapping[str, str] | None): As `find_flags` gives them; `None` for those of the
        command that runs. Names that are none of its parameters stay as they are.
    RETURNS (str): The message.

    EXAMPLE:
        >>> name_flags("Set `force`, or `split_by = \\"document\\"`; `max_steps` is in the config.",
        ...            {"force": "--force", "split_by": "--split-by"})
        'Set --force, or --split-by document; `max_steps` is in the config.'
    """
    known = (_flags.get() if flags is None else flags) or {}

    def rename(match: re.Match[str]) -> str:
        name, value = match.groups()
        if name not in known:
            return match[0]
        return known[name] if value in (None, "true") else f"{known[name]} {_quote(value)}"

    return _SETTING.sub(rename, text)


def _say(text: str) -> None:
    # Progress bars are cleared before, so that no text is appended to one.
    with tqdm.external_write_mode(file=sys.stderr):
        typer.echo(text, err=True)


def _quote(text: str) -> str:
    value: Any = text
    with suppress(ValueError):
        value = json.loads(text)
    if isinstance(value, dict):
        value = ",".join(f"{key}={item}" for key, item in value.items())
    elif isinstance(value, list):
        value = ",".join(map(str, value))
    return shlex.quote(str(value))


def show_note(text: str) -> None:
    """Print a note on stderr; results go to stdout.

    text (str): The note; its settings become flags.
    """
    _say(_printer.info(name_flags(text)))


def show_warning(text: str) -> None:
    """Print a warning on stderr.

    text (str): The warning; its settings become flags.
    """
    _say(_printer.warn(name_flags(text)))
