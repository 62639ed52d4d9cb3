"""Numbers and words → the text that pages and tables show."""

from collections.abc import Iterable, Sequence

from wasabi import MarkdownRenderer


def code(value: object) -> str:
    """Show any text as Markdown code on one line, safe within tables too.

    EXAMPLE:
        >>> print(code("a|b`c"))
        `` a\\|b`c ``
    """
    text = str(value)
    if not text.isprintable():
        text = repr(text)
    fence = "`"
    while fence in text:
        fence += "`"
    pad = " " if "`" in text else ""
    return f"{fence}{pad}{text}{pad}{fence}".replace("|", "\\|") if text else "–"


def make_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Render a Markdown table whose first column is text and the others are numbers."""
    return MarkdownRenderer().table(rows, head, ["l", *"r" * (len(head) - 1)])


def is_number(value: object) -> bool:
    """Whether a value is a number, and not `None` or undefined in a template."""
    return isinstance(value, int | float)


def format_percent(share: float | None, digits: int = 2) -> str:
    """Write a share as percent, a missing one as a dash.

    EXAMPLE:
        >>> format_percent(0.87654), format_percent(None)
        ('87.65', '–')
    """
    return f"{100 * share:.{digits}f}" if share is not None and is_number(share) else "–"


def format_number(n: float | None) -> str:
    """Write a whole number with commas, a missing one as a dash."""
    return f"{n:,.0f}" if n is not None and is_number(n) else "–"


def format_count(n: int, noun: str, plural: str = "") -> str:
    """Write how many there are of something.

    n (int): How many.
    noun (str): What one of them is called.
    plural (str): What several are called; by default the noun with an s.
    RETURNS (str): Number and noun.

    EXAMPLE:
        >>> format_count(1, "doc"), format_count(2000, "entity", "entities")
        ('1 doc', '2,000 entities')
    """
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def format_decimal(n: float | None) -> str:
    """Write a number with one digit, a missing one as a dash."""
    return f"{n:,.1f}" if n is not None and is_number(n) else "–"


def format_width(share: float | None) -> str:
    """Write a share as the width of a bar."""
    return f"{100 * share:.1f}" if share is not None and is_number(share) else "0"


def format_interval(interval: list[float] | None) -> str:
    """Write two shares in percent.

    EXAMPLE:
        >>> format_interval([0.8, 0.856])
        '80.0–85.6'
    """
    return "–".join(f"{100 * x:.1f}" for x in interval) if isinstance(interval, list) else "–"


def format_signed(share: float | None) -> str:
    """Write a difference of shares in percent, with its sign.

    EXAMPLE:
        >>> format_signed(-0.0123), format_signed(0.5)
        ('−1.23', '+50.00')
    """
    if share is None:
        return "–"
    return f"{100 * share:+.2f}".replace("-", "−") if share else "0.00"


def format_signed_interval(interval: list[float] | None) -> str:
    """Write two differences of shares in percent, with their signs."""
    return " to ".join(map(format_signed, interval)) if interval else "–"


def format_p_value(p: float) -> str:
    """Write a p-value, a tiny one as a bound.

    EXAMPLE:
        >>> format_p_value(0.0004), format_p_value(0.25)
        ('< 0.001', '0.250')
    """
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
