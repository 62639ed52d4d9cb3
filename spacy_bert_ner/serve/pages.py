"""A page of this folder → an answer whose policy allows only its own style and script."""

import base64
import hashlib
import re
from functools import cache
from pathlib import Path

from fastapi.responses import HTMLResponse


@cache
def read_page(name: str) -> HTMLResponse:
    """Read a page: one HTML file with its style and its script in it.

    name (str): Name of the file.
    RETURNS (HTMLResponse): The page. The browser contacts no other host.
    """
    text = (Path(__file__).parent / name).read_text(encoding="utf8")
    style, script = (_hash(tag, text) for tag in ("style", "script"))
    policy = (
        f"default-src 'none'; style-src {style}; script-src {script}; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    headers = {
        "content-security-policy": policy,
        "referrer-policy": "no-referrer",
        "cache-control": "no-cache",
    }
    return HTMLResponse(text, headers=headers)


def _hash(tag: str, text: str) -> str:
    [content] = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
    digest = hashlib.sha256(content.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
