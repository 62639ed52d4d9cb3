"""Text → words, at blanks and tabs only: no other white space ever parts words."""


def split_at_blanks(text: str) -> list[str]:
    """Split at runs of blanks and tabs, and at no other white space.

    EXAMPLE:
        >>> split_at_blanks(" 5\\xa0km \\tO ")
        ['5\\xa0km', 'O']
    """
    cells = text.replace("\t", " ").split(" ")
    return [cell for cell in cells if cell] if "" in cells else cells
