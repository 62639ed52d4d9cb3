"""Tags of a token-classification checkpoint ↔ the columns of our head."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from ..schemes import is_tag
from ..tag.tag_set import HEAD_SCHEMES, TagSet, build_tag_set

SPECIAL = re.compile(r"\[\w+\]|<\w+>|LABEL_\d+|X")
"""Names in checkpoints that are not tags."""
MISSING = -1
"""The column of a tag that the checkpoint does not have."""

# Names of the same tags: ours, then those of the checkpoints.
_OTHER_NAMES = {"L": "LE", "U": "US", "S": "I"}


class TagColumns(NamedTuple):
    """The column of a checkpoint's scores for each tag of a head.

    tag_set (TagSet): The tags of our head.
    scheme (str): Its scheme.
    columns (List[int]): For each of our tags, the column of the checkpoint's scores;
        `MISSING` where it has none. Shape: (n_tags,).
    """

    tag_set: TagSet
    scheme: str
    columns: list[int]


def match_tag_columns(names: Sequence[str], *, scheme: str | None = None) -> TagColumns:
    """Find our tags in the label names of a checkpoint.

    names (Sequence[str]): The tags in the order of the checkpoint's scores.
    scheme (str | None): "IOB2", "IOB1", "IO" (also for bare labels such as PER) or
        "BILOU" (also for BIOES); `None` to recognise it by the names, where B- and I-
        mean IOB2.
    RETURNS (TagColumns): Our tags, labels in the order of the checkpoint.
    RAISES (ValueError): If the names are not tags of the scheme.

    EXAMPLE:
        >>> match_tag_columns(["O", "I-LOC", "B-LOC"]).columns
        [0, 2, 1]
        >>> match_tag_columns(["O", "I-LOC"]).scheme
        'IO'
    """
    if scheme == "IO":
        names = [name if is_tag(name) or SPECIAL.fullmatch(name) else f"I-{name}" for name in names]
    _check_names(names)
    prefixes = {name[0] for name in names if name != "O"}
    scheme = scheme or _recognise(prefixes)
    if scheme not in HEAD_SCHEMES:
        raise ValueError(f"Tag scheme '{scheme}', expected one of {', '.join(HEAD_SCHEMES)}.")
    strange = sorted(prefixes - set("BIESLU" if scheme == "BILOU" else "BI"))
    if strange:
        raise ValueError(
            f"The checkpoint has tags with {', '.join(f'{p}-' for p in strange)}, which are not in "
            f"the scheme {scheme}. Set `scheme = BILOU` (also for BIOES), or leave it out."
        )
    labels = list(dict.fromkeys(name[2:] for name in names if name != "O"))
    tag_set = build_tag_set(labels, scheme=scheme)
    place = {name: i for i, name in enumerate(names)}
    columns = [_find_score_column(tag, scheme, place) for tag in tag_set.tags]
    return TagColumns(tag_set, scheme, columns)


def _check_names(names: Sequence[str]) -> None:
    wrong = [name for name in names if not is_tag(name)]
    repeated = [name for name, n in Counter(names).items() if n > 1]
    advice = "Fix `id2label` in the checkpoint's config.json."
    if wrong:
        is_bare = not any(SPECIAL.fullmatch(name) or "-" in name for name in wrong)
        if is_bare:
            advice += ' If these are labels without B- and I-, set `scheme = "IO"`.'
        shown = ", ".join(repr(name) for name in wrong[:5])
        raise ValueError(
            f"The checkpoint's id2label has names that are not tags ({shown}), "
            f"expected O, and B-, I-, E-, S-, L- or U- with a label, such as B-PER. {advice}"
        )
    if repeated:
        raise ValueError(
            f"The checkpoint's id2label has {', '.join(repeated)} more than once, expected each "
            f"tag once. {advice}"
        )
    if "O" not in names or len(names) < 2:
        raise ValueError(
            f"The checkpoint's id2label has the tags {', '.join(names)}, expected O and at least "
            f"one tag with a label. {advice}"
        )


def _recognise(prefixes: set[str]) -> str:
    if prefixes & set("ESLU"):
        return "BILOU"
    return "IOB2" if "B" in prefixes else "IO"


def _find_score_column(tag: str, scheme: str, place: dict[str, int]) -> int:
    if tag in place:
        return place[tag]
    letters = "I" if scheme == "IO" else _OTHER_NAMES.get(tag[0], "")
    found = [place[letter + tag[1:]] for letter in letters if letter + tag[1:] in place]
    return found[0] if found else MISSING


def name_columns(tag_set: TagSet, scheme: str) -> list[str]:
    """Name our tags as `transformers` reads them: O, B- and I- only.

    Its pipeline starts an entity at B- and continues it at I-. It has no tags for last
    and single words as in BILOU, so several of our tags may share a name.

    tag_set (TagSet): The tags of a head.
    scheme (str): Its scheme.
    RETURNS (List[str]): The name of each tag. Shape: (n_tags,).

    EXAMPLE:
        >>> name_columns(build_tag_set(["LOC"], scheme="BILOU"), "BILOU")
        ['O', 'B-LOC', 'I-LOC', 'I-LOC', 'B-LOC']
    """
    names = map(rename_tag, tag_set.tags)
    return [f"I{name[1:]}" if scheme == "IO" and name != "O" else name for name in names]


def rename_tag(tag: str) -> str:
    """RETURNS (str): The tag with B- or I- for the other prefixes of our schemes."""
    return {"L": "I", "U": "B", "S": "I"}.get(tag[0], tag[0]) + tag[1:]
