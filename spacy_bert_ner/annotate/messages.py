"""Parts and receipts ↔ the strings in which engines carry them."""

import json
from functools import lru_cache

from .job import Job, Part
from .part import PartRunner, Receipt, decode_receipt, encode_receipt
from .records import Range

EXPECTED_FAULTS = (OSError, ValueError, MemoryError)
"""What is raised when an input, a setting or the machine is at fault, not the code."""


def encode_part(part: Part) -> str:
    """RETURNS (str): A part as text."""
    return json.dumps([part.number, part.ranges])


def decode_part(text: str) -> Part:
    """RETURNS (Part): The part: the inverse of `encode_part`."""
    number, ranges = json.loads(text)
    return Part(number, [Range(*span) for span in ranges])


def do_part(job: Job, text: str) -> str:
    """Do a part; what is expected to go wrong becomes text, without an engine's traceback.

    job (Job): The job; its pipeline is loaded once in each process.
    text (str): The part, from `encode_part`.
    RETURNS (str): The receipt or the fault, for `decode_result`.
    """
    try:
        return encode_receipt(_load_runner(job).run(decode_part(text)))
    except EXPECTED_FAULTS as error:
        return json.dumps({"fault": str(error)})


@lru_cache(maxsize=1)
def _load_runner(job: Job) -> PartRunner:
    return PartRunner(job)


def decode_result(text: str) -> Receipt:
    """Read what `do_part` gives.

    RETURNS (Receipt): The receipt.
    RAISES (ValueError): If the part failed.
    """
    found = json.loads(text)
    if "fault" in found:
        raise ValueError(found["fault"])
    return decode_receipt(text)
