"""The code of a language → spaCy's tokenizer for it, or what has to be installed first."""

from functools import lru_cache

import spacy
from spacy.tokenizer import Tokenizer

UNSPACED = ("zh", "ja", "th", "lo", "km", "my", "bo", "dz")
"""Languages that people write without blanks between words."""

_PACKAGES = {
    "ja": "sudachipy sudachidict_core",
    "ko": "natto-py (and MeCab with mecab-ko-dic)",
    "th": "pythainlp",
    "vi": "pyvi",
    "ru": "pymorphy3",
    "uk": "pymorphy3 pymorphy3-dicts-uk",
}


class MissingTokenizerError(ValueError):
    """A language whose tokenizer needs a package that is not installed."""


@lru_cache(maxsize=4)
def make_tokenizer(lang: str) -> Tokenizer:
    """Make spaCy's tokenizer for a language, once.

    lang (str): The language's code.
    RETURNS (Tokenizer): The tokenizer of a blank pipeline.
    RAISES (MissingTokenizerError): If its package is not installed.
    RAISES (ValueError): If spaCy does not have the language.
    """
    try:
        return spacy.blank(lang).tokenizer
    except ImportError as err:
        message = str(err)
        if message.startswith("[E048]"):
            raise ValueError(
                f"Language '{lang}', expected a code that spaCy has, such as en, or xx for others."
            ) from err
        advice = f"Install it: pip install {_PACKAGES[lang]}." if lang in _PACKAGES else message
        raise MissingTokenizerError(
            f"spaCy's tokenizer for the language '{lang}' needs a package that is not installed. "
            f"{advice}"
        ) from err
