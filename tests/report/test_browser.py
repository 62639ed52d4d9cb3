"""The report in a real browser, which has to be there: Debian's chromium."""

import html
import json
import shutil
import subprocess

import pytest
from support.evaluations import CASES, make_ruler, write_data

from spacy_bert_ner.report.report import evaluate

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
DARK = "--blink-settings=preferredColorScheme=0"

# A frame is as narrow as it is told to be; a window is not.
FRAME = """<!DOCTYPE html>
<iframe id="frame" src="report.html" width="{width}" height="800"></iframe>
<script>
frame.onload = () => {{
  const page = frame.contentDocument;
  page.querySelectorAll("details").forEach((part) => part.open = true);
  const wide = [...page.querySelectorAll("body *")].filter((part) =>
    !part.closest(".scroll, pre") && part.getBoundingClientRect().right > {width} + 1);
  document.title = JSON.stringify([
    page.documentElement.scrollWidth, page.documentElement.clientWidth,
    wide.map((part) => part.outerHTML.slice(0, 80)).slice(0, 3),
    [...page.images].filter((image) => !image.naturalWidth).length,
    frame.contentWindow.getComputedStyle(page.body).backgroundColor,
  ]);
}};
</script>"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt-get install chromium"),
]


def browse(*arguments):
    """Run the browser once; files may look into other files."""
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"]
    return subprocess.run(
        [CHROMIUM, *flags, "--hide-scrollbars", *arguments],
        capture_output=True, text=True, check=True, timeout=300,
    ).stdout  # fmt: skip


@pytest.fixture(
    scope="module", params=["60 labels", "right to left, emoji", "markup", "no entities"]
)
def folder(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    rows, patterns = CASES[request.param]
    long = [(["a-very-long-word-" * 40, "x"], ["B-LONG", "O"])] if rows[0][1][0] != "O" else []
    data = write_data(folder / "test.spacy", [*rows, *long])
    model = make_ruler(folder / "model", patterns)
    evaluate(model, data, folder, compare=model, train=data)
    return folder


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_the_screen(folder, width, scheme):
    frame = folder / f"frame-{width}.html"
    frame.write_text(FRAME.format(width=width), encoding="utf8")
    flags = [DARK] if scheme == "dark" else []
    dom = browse(
        *flags, "--window-size=1400,900", "--virtual-time-budget=5000", "--dump-dom", frame.as_uri()
    )
    (title,) = [line for line in dom.split("title>") if line.startswith("[")]
    scroll, client, wide, broken, background = read_title(title)
    assert (wide, broken) == ([], 0)
    assert scroll <= client
    assert background == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(15, 19, 24)")


def read_title(text):
    return json.loads(html.unescape(text.removesuffix("</")))


def test_a_picture_of_the_page_can_be_taken(folder):
    picture = folder / "page.png"
    browse("--window-size=1280,2000", f"--screenshot={picture}", (folder / "report.html").as_uri())
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 20_000
