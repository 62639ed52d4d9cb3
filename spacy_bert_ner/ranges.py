"""A number that somebody set → the same number, or an error that names its range."""

from math import inf
from numbers import Real


def check_range(
    name: str,
    value: float | None,
    least: float,
    most: float | None = None,
    *,
    below: float | None = None,
) -> None:
    """Refuse a number outside its range; infinity and "not a number" are in no range.

    name (str): Name of the setting.
    value (float | None): Its value; `None` if the setting may be null.
    least (float): The smallest number.
    most (float | None): The largest number.
    below (float | None): What the number must be less than.
    RAISES (ValueError): If the number is outside.

    EXAMPLE:
    >>> check_range("hide_case", 1.5, 0, 1)
    Traceback (most recent call last):
    ValueError: `hide_case = 1.5`, expected at least 0 and at most 1.
    """
    if value is None:
        return
    # A config may hold the text "2" where a dict holds numbers.
    is_least = isinstance(value, Real) and least <= value < (inf if below is None else below)
    if is_least and (most is None or value <= most):
        return
    above = "" if most is None else f" and at most {most}"
    above = above if below is None else f" and less than {below}"
    raise ValueError(f"`{name} = {value!r}`, expected at least {least}{above}.")
