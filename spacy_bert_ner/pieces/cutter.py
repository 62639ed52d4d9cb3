"""An encoder's tokenizer → a cutter of words into pieces, without the encoder's weights."""

import contextlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from ..fetch.trust import CONFIG, TOKENIZER, TOKENIZER_CONFIG, check_folder


@dataclass(frozen=True)
class WordCutter:
    """Cut words into pieces, each on its own.

    cutters (Tuple[Tokenizer, Tokenizer]): For words without and with a space before.
    prefix, suffix (List[int]): The special pieces around each window.
    unknown (int): The piece for an unknown word.
    has_blanks (bool): Whether a space before a word changes its pieces.
    first_has_blank (bool): Whether a text's first word is cut as if after a space.
    """

    cutters: tuple[Tokenizer, Tokenizer]
    prefix: list[int]
    suffix: list[int]
    unknown: int
    has_blanks: bool
    first_has_blank: bool

    @property
    def n_special(self) -> int:
        """RETURNS (int): The number of special pieces in a window."""
        return len(self.prefix) + len(self.suffix)

    def __call__(self, words: Sequence[str], blank: bool) -> list[list[int]]:
        """Cut words.

        words (Sequence[str]): The words.
        blank (bool): Whether there is a space before each of them.
        RETURNS (List[List[int]]): The pieces of each word; some words have none.
        """
        encoding = self.cutters[blank].encode(
            list(words), is_pretokenized=True, add_special_tokens=False
        )
        pieces: list[list[int]] = [[] for _ in words]
        for row, piece in zip(encoding.word_ids, encoding.ids, strict=True):
            pieces[row].append(piece)
        return pieces


def read_word_cutter(path: Path) -> WordCutter:
    """Read the word cutter of an encoder's folder.

    path (Path): A folder in Hugging Face layout.
    RETURNS (WordCutter): The cutter.
    RAISES (FileNotFoundError): If the folder or one of its files is missing.
    RAISES (ValueError): If it holds code or pickles, or lacks a fast tokenizer.
    """
    check_folder(path, weights=False)
    tokenizer, settings = read_tokenizer(path)
    return make_word_cutter(tokenizer, json.loads(settings))


def read_tokenizer(path: Path) -> tuple[str, str]:
    """Read the tokenizer of a checked folder.

    path (Path): A folder in Hugging Face layout.
    RETURNS (Tuple[str, str]): The texts of tokenizer.json and tokenizer_config.json.
    RAISES (ValueError): If the tokenizer is not a fast one, or has no vocabulary.
    """
    from transformers import AutoTokenizer

    with reading(path):
        tokenizer = AutoTokenizer.from_pretrained(
            path, local_files_only=True, trust_remote_code=False, use_fast=True
        )
        # Without its files, transformers 5 makes an empty one.
        if tokenizer.is_fast and len(tokenizer) <= len(set(tokenizer.all_special_tokens)):
            raise ValueError("the tokenizer has no pieces but special ones")
    if not tokenizer.is_fast:
        raise ValueError(
            f"{path}: {type(tokenizer).__name__} is not a fast tokenizer, expected one with "
            "tokenizer.json. Save it with `use_fast=True`, or choose another encoder."
        )
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        data, settings = (
            (Path(folder) / name).read_text("utf8") for name in (TOKENIZER, TOKENIZER_CONFIG)
        )
    return data, settings


def make_word_cutter(tokenizer: str, settings: dict[str, Any]) -> WordCutter:
    """Make a word cutter from a tokenizer's files.

    tokenizer (str): Text of tokenizer.json.
    settings (Dict[str, Any]): The content of tokenizer_config.json.
    RETURNS (WordCutter): The cutter.
    """
    pre_tokenizer = json.loads(tokenizer)["pre_tokenizer"]
    without_blank, with_blank = (_set_blank(pre_tokenizer, blank) for blank in (False, True))
    cutters = (_make_cutter(tokenizer, without_blank), _make_cutter(tokenizer, with_blank))
    encoding = cutters[0].encode("a")
    is_special = encoding.special_tokens_mask
    n_prefix = is_special.index(0)
    n_suffix = is_special[::-1].index(0)
    unknown = settings.get("unk_token", "[UNK]")
    return WordCutter(
        cutters=cutters,
        prefix=encoding.ids[:n_prefix],
        suffix=encoding.ids[len(encoding.ids) - n_suffix :],
        unknown=cutters[0].token_to_id(unknown if isinstance(unknown, str) else unknown["content"]),
        has_blanks=with_blank != without_blank,
        first_has_blank=pre_tokenizer != without_blank,
    )


def _make_cutter(tokenizer: str, pre_tokenizer: Any) -> Tokenizer:
    data = json.loads(tokenizer) | {"pre_tokenizer": pre_tokenizer}
    data["truncation"] = data["padding"] = None
    return Tokenizer.from_str(json.dumps(data))


def _set_blank(data: Any, blank: bool) -> Any:
    # Byte-level BPE uses add_prefix_space, SentencePiece prepend_scheme as well.
    if isinstance(data, list):
        return [_set_blank(item, blank) for item in data]
    if not isinstance(data, dict):
        return data
    changed = {key: _set_blank(value, blank) for key, value in data.items()}
    if "add_prefix_space" in changed:
        changed["add_prefix_space"] = blank
    if "prepend_scheme" in changed:
        changed["prepend_scheme"] = "always" if blank else "never"
    return changed


@contextlib.contextmanager
def reading(path: Path | str) -> Iterator[None]:
    """Let Hugging Face read a checkpoint without warnings and with clear errors.

    Its warnings are about poolers and heads that are not needed. Its errors are of many
    types, including plain `Exception`.

    path (Path | str): The folder, or another name for the error.
    RAISES (ValueError): If the checkpoint cannot be read, with the reason.
    """
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    except (OSError, MemoryError):
        raise
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        reason = " ".join(line.strip() for line in lines[:2])
        raise ValueError(
            f"{path}: transformers cannot read this checkpoint ({type(error).__name__}: "
            f"{reason[:300]}). {_advise(Path(path))}"
        ) from error
    finally:
        logging.set_verbosity(verbosity)


def _advise(path: Path) -> str:
    pieces = sorted(file.name for file in path.glob("*.model"))
    if pieces and not (path / TOKENIZER).is_file():
        return (
            f"Its tokenizer is a SentencePiece model ({', '.join(pieces)}) without {TOKENIZER}. "
            "Install the packages that convert it: `pip install sentencepiece protobuf`."
        )
    return f"Check its {CONFIG} and tokenizer, or choose another checkpoint."
