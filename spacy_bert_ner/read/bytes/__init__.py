"""The bytes of a file as the user names it → lines of text."""
