"""The page in Chromium: entities with scores, filters, keyboard, both widths and themes."""

import json
import re
import shutil
import subprocess

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("prometheus_client")

from support.serving import serving

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
TEXT = "😀 Alex Smith lives in New York now .\n<b>London</b> is big"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
]


@pytest.fixture(scope="module")
def url(trained):
    with serving(trained) as served:
        yield f"http://127.0.0.1:{served.port}/"


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(params=[(1280, "light"), (390, "dark")], ids=["1280 light", "390 dark"])
def page(request, browser, url):
    width, scheme = request.param
    context = browser.new_context(
        viewport={"width": width, "height": 844},
        color_scheme=scheme,
        permissions=["clipboard-read", "clipboard-write"],
    )
    page = context.new_page()
    hosts, messages = set(), []
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.goto(url)
    page.wait_for_selector("fieldset input")
    yield page
    assert hosts == {url.split("/")[2]}
    assert [text for text in messages if "status of 422" not in text] == []
    context.close()


def find(page, text=TEXT):
    page.locator("#text").fill(text)
    with page.expect_response("**/v1/entities"):
        page.keyboard.press("Control+Enter")
    playwright.expect(page.locator("#status")).to_contain_text("entit")
    return page.locator("mark").all_inner_texts()


def test_entities_are_marked_with_label_and_score(page, trained):
    expected = [f"{ent.text} {ent.label_} {ent._.score:.2f}" for ent in trained(TEXT).ents]
    assert [re.sub(r"\s+", " ", mark) for mark in find(page)] == expected and len(expected) > 1
    shown = page.evaluate(
        """() => { const copy = document.getElementById('text-out').cloneNode(true);
        copy.querySelectorAll('.label, .score').forEach((one) => one.remove());
        return copy.textContent; }"""
    )
    assert shown.replace("  ", "").replace("\n", "").replace(" ", "") == TEXT.replace(
        "\n", ""
    ).replace(" ", "")
    assert page.locator("#text-out b").count() == 0  # the text is never read as HTML


def test_keyboard_alone_filters(page, trained):
    n = len(find(page))
    page.get_by_label("PER").focus()
    page.keyboard.press("Space")
    assert page.get_by_role("status").inner_text().endswith(f"of {n}")
    page.get_by_label("PER").focus()
    page.keyboard.press("Space")
    scores = [ent._.score for ent in trained(TEXT).ents]
    page.get_by_label("Least score").focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    assert page.locator("mark").count() == sum(score >= 0.99 for score in scores)
    page.keyboard.press("Home")
    assert page.locator("mark").count() == n


def test_every_control_has_a_name_and_is_reached_by_tab(page):
    find(page)
    page.locator("body").click(position={"x": 1, "y": 1})
    seen = []
    for _ in range(20):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    assert {"theme", "text", "find", "threshold", "label-0", "label-1", "SUMMARY"} <= set(seen)
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('input, textarea, button, a, pre')].filter(
        (one) => !(one.labels?.length || one.textContent.trim() || one.ariaLabel)).length"""
    )
    assert nameless == 0


def test_nothing_is_cut_off_or_pale(page):
    find(page, "London is big " * 200 + "x" * 3000)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    contrast = page.evaluate(
        """() => { const light = (color) => { const [r, g, b] = color.match(/[\\d.]+/g).map(
          (n) => (n /= 255) <= .04045 ? n / 12.92 : ((n + .055) / 1.055) ** 2.4);
          return .2126 * r + .7152 * g + .0722 * b; };
        return Math.min(...[...document.querySelectorAll('mark, .chip')].map((one) => {
          const style = getComputedStyle(one);
          const pair = [light(style.color), light(style.backgroundColor)].sort((a, b) => b - a);
          return (pair[0] + .05) / (pair[1] + .05); })); }"""
    )
    assert contrast >= 4.5


def test_the_curl_line_gives_the_json_that_is_shown(page):
    find(page, 'It\'s "London" `$HOME` \\ 😀 London is big')
    page.get_by_label("Least score").fill("0.3")
    for summary in page.locator("summary").all():
        summary.click()
    page.get_by_role("button", name="Copy the command").click()
    playwright.expect(page.get_by_role("status")).to_have_text("Copied.")
    command = page.evaluate("navigator.clipboard.readText()")
    answer = subprocess.run(["bash", "-c", command], capture_output=True, check=True).stdout
    assert json.loads(answer) == json.loads(page.locator("#json").inner_text())
    assert json.loads(answer)["results"][0]["entities"]


def test_what_is_refused_is_said(page):
    page.locator("#text").fill("x" * 100_001)
    page.keyboard.press("Control+Enter")
    playwright.expect(page.get_by_role("alert")).to_contain_text("100,001")
    assert page.locator("#find").is_enabled()


def test_the_api_page_lists_every_path(page, url):
    page.goto(f"{url}docs")
    page.wait_for_selector("section")
    text = page.locator("main").inner_text()
    for part in ("POST /v1/entities", "GET /v1/model", "429", "threshold", "curl"):
        assert part in text
    assert page.locator("dt", has_text="201").count() == 0  # a webhook's answer is no refusal
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
