"""While another panel is shown, or a model or the server is away, nothing is lost and no other model answers."""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.page.browser import PATIENCE_MS, violations, window
from tests.page.drawing import draw
from tests.support.processes import ROOT, server

expect.set_options(timeout=PATIENCE_MS)

SEVEN = ((0.31, 0.253), (0.687, 0.251), (0.553, 0.507), (0.451, 0.803))


@pytest.fixture(scope="module")
def controlled(program: Path) -> Iterator[str]:
    """A server whose models the tests of this file unload and load again."""
    python, command = str(program.parent / "python"), (str(program), "serve")
    with server(ROOT / "models", python=python, program=command) as process:
        yield process.wait_for("serving")["address"]


def control(page: Page, model: str, action: str) -> None:
    assert page.request.post(f"/v2/repository/models/{model}/{action}", data={}).ok


def rail(page: Page, label: str) -> None:
    page.get_by_role("navigation", name="Panels").get_by_role("link", name=label).click()


def test_what_was_entered_is_there_when_one_comes_back(page: Page) -> None:
    page.goto("/#/tag")
    text, spoken = page.get_by_label("Text", exact=True), "Grace Hopper wrote compilers in Arlington."
    text.fill(spoken)
    page.get_by_role("group", name="Tagged by ner-en").get_by_role("button", name="Arlington").click()
    rail(page, "Words")
    page.get_by_label("A word, a sum of words").fill("cat")
    expect(page.locator(".best p")).not_to_be_empty()
    rail(page, "Tag")
    expect(text).to_have_value(spoken)
    expect(page).to_have_url(re.compile("text=Grace"))
    expect(page.get_by_role("region", name="All tags of Arlington")).to_be_visible()
    rail(page, "Words")
    expect(page.get_by_label("A word, a sum of words")).to_have_value("cat")
    rail(page, "Words")  # of the panel that is shown
    expect(page.get_by_label("A word, a sum of words")).to_have_value("cat")
    page.goto("/#/tag?text=Ada+sang.+She+slept.+Bob+ate+bread.")  # links with an input of their own
    expect(page.get_by_role("group", name="Tagged by ner-en")).to_contain_text("Bob")
    chosen = page.locator(".marked [aria-pressed=true]")
    expect(chosen).to_have_count(1)
    assert chosen.get_attribute("data-word") != "5", "the sixth word was chosen of another text"
    page.goto("/#/words?q=dog")
    expect(page.get_by_label("A word, a sum of words")).to_have_value("dog")


def test_the_back_button_returns_to_each_input_after_a_change_of_panel(page: Page) -> None:
    page.goto("/#/words")
    field = page.get_by_label("A word, a sum of words")
    first = field.input_value()
    page.get_by_role("button", name="cat", exact=True).first.click()
    expect(field).to_have_value("cat")
    rail(page, "Tag")
    expect(page.get_by_label("Text", exact=True)).to_be_visible()
    rail(page, "Words")
    expect(field).to_have_value("cat")
    page.go_back()
    expect(page.get_by_label("Text", exact=True)).to_be_visible()
    page.go_back()
    expect(field).to_have_value("cat")
    page.go_back()
    expect(field).to_have_value(first)


def test_a_long_text_is_there_when_one_comes_back(browser: Browser, url: str) -> None:
    with window(browser, url, expected="422") as page:  # It is too long to be explained.
        page.goto("/#/tag")
        text, long = page.get_by_label("Text", exact=True), "Früh sang Ada. " * 1_000
        text.fill(long)
        rail(page, "Words")
        expect(page.locator(".best p")).not_to_be_empty()
        rail(page, "Tag")
        expect(text).to_have_value(long)


def test_a_drawing_is_the_same_when_one_comes_back_and_by_its_link(page: Page) -> None:
    page.goto("/#/draw?drawing=")
    draw(page, *SEVEN)
    output, bars = page.locator(".predictions .reading output"), page.locator(".predictions .bars")
    expect(output).to_have_text("7")
    expect(page.locator(".answer[aria-busy=false]")).to_be_visible()
    percents = bars.inner_text()
    rail(page, "Tag")
    expect(page.get_by_label("Text", exact=True)).to_be_visible()
    rail(page, "Draw")
    expect(output).to_have_text("7")
    expect(bars).to_have_text(re.compile(r"\s*".join(map(re.escape, percents.split()))))
    address = page.url
    page.goto("about:blank")
    page.goto(address)
    expect(bars).to_have_text(re.compile(r"\s*".join(map(re.escape, percents.split()))))


def test_a_picture_from_a_file_is_there_when_one_comes_back(page: Page) -> None:
    page.goto("/#/draw")
    page.get_by_label("A picture from a file").set_input_files(ROOT / "tests/data/seven.png")
    expect(page.locator(".predictions .reading output")).to_have_text("7")
    rail(page, "Tag")
    expect(page.get_by_label("Text", exact=True)).to_be_visible()
    rail(page, "Draw")
    expect(page.locator(".predictions .reading output")).to_have_text("7")
    expect(page.locator("main")).to_contain_text("A picture from a file is not part of the link")


def test_a_model_that_is_unloaded_is_named_and_no_other_answers_for_it(browser: Browser, controlled: str) -> None:
    with window(browser, controlled, expected="503") as page:
        page.goto("/#/translate")
        text = page.get_by_role("textbox")
        expect(page.locator(".translation")).not_to_be_empty()
        control(page, "translate-en-de", "unload")
        text.fill("Good morning!")
        missing = page.get_by_role("region", name="Missing model")
        expect(missing).to_contain_text("translate-en-de is not loaded")
        expect(missing.get_by_role("link", name="Models")).to_have_attribute("href", "#/models")
        expect(page.locator(".top .model")).to_have_count(0)
        assert violations(page) == []
        control(page, "translate-en-de", "load")
        expect(text).to_have_value("Good morning!")
        expect(page.locator(".translation")).to_have_text("Guten Morgen!")
        control(page, "translate-en-de", "unload")
        text.fill("Good evening!")
        page.get_by_role("button", name="translate-de-en").click()
        expect(page).to_have_url(re.compile("model=translate-de-en"))
        expect(text).to_have_value("Good evening!")
        page.goto("/#/tag?model=nobody")
        expect(missing).to_contain_text("This server has no model named nobody")
        page.goto("/#/tag?model=ner-en&beside=nobody")
        expect(page.get_by_role("region", name="Input")).to_contain_text("nobody does not serve now")
        page.goto("/#/tag?model=digits")  # of another task
        expect(page.get_by_role("group", name="Tagged by ner-en")).to_be_visible()
        control(page, "translate-en-de", "load")


def test_a_panel_whose_models_are_unloaded_stays_and_says_what_to_load(browser: Browser, controlled: str) -> None:
    with window(browser, controlled, expected="503") as page:
        page.goto("/#/draw")
        expect(page.locator(".network .unit-labels")).to_be_visible()  # Nothing is asked any longer.
        control(page, "digits", "unload")
        page.get_by_role("button", name="seven").click()
        expect(page.get_by_role("region", name="Missing model")).to_contain_text("digits is not loaded")
        expect(page.get_by_role("region", name="Missing model")).to_contain_text("What you entered stays here")
        expect(page.locator(".latency button")).to_have_count(0)
        expect(page.get_by_role("navigation", name="Panels").get_by_role("link", name="Draw")).to_be_visible()
        control(page, "digits", "load")
        expect(page.locator(".predictions .reading output")).to_have_text("7")


def test_a_page_that_never_saw_a_model_shows_its_panel_and_loads_it(browser: Browser, controlled: str) -> None:
    with window(browser, controlled) as page:
        control(page, "digits", "unload")
        page.goto("/")
        missing = page.get_by_role("region", name="Missing model")
        expect(missing.get_by_role("heading")).to_have_text("digits is not loaded")
        expect(missing).to_contain_text("The panel comes once a model serves.")  # Nothing was entered that could stay.
        assert violations(page) == []
        missing.get_by_role("button", name="Load digits").click()
        expect(page.locator(".predictions .reading output")).to_have_text("3")


def test_who_may_not_load_models_is_told_who_can(browser: Browser, controlled: str) -> None:
    with window(browser, controlled, expected="403") as page:
        control(page, "digits", "unload")

        def without_control(route: Route) -> None:
            listing = route.fetch().json()
            listing["lectern"]["model_control"] = False
            route.fulfill(json=listing)

        page.route("**/v1/models", without_control)
        page.goto("/#/draw")
        missing = page.get_by_role("region", name="Missing model")
        expect(missing).to_contain_text("digits is not loaded")
        expect(missing).to_contain_text("Whoever runs this server can load it.")
        expect(missing.get_by_role("button")).to_have_count(0)
        page.unroute("**/v1/models")
        page.reload()
        refusal = {"error": "the API key does not allow this: it lacks the scope 'admin'"}
        page.route("**/load", lambda route: route.fulfill(status=403, json=refusal))
        missing.get_by_role("button", name="Load digits").click()
        expect(missing.get_by_role("alert")).to_have_text(
            "This API key may not load or unload models: that takes the scope admin."
        )
        control(page, "digits", "load")
        expect(page.locator(".predictions .reading output")).to_have_text("3")


def test_a_model_that_cannot_be_loaded_is_named_with_its_reason(
    browser: Browser, program: Path, tmp_path: Path
) -> None:
    for name in ("digits", "ner-en"):
        shutil.copytree(ROOT / "models" / name, tmp_path / name)
    for graph in tmp_path.glob("digits/*/*.onnx"):
        graph.unlink()
    python, command = str(program.parent / "python"), (str(program), "serve")
    with (
        server(tmp_path, python=python, program=command) as process,
        window(browser, process.wait_for("serving")["address"], expected="400|503") as page,
    ):
        page.goto("/#/draw")
        missing = page.get_by_role("region", name="Missing model")
        expect(missing.get_by_role("heading")).to_have_text("digits is not loaded")
        expect(missing).to_contain_text(re.compile("It could not be loaded: .*onnx"))
        expect(page.locator(".notice")).to_contain_text("digits could not be loaded: Models says why.")
        missing.get_by_role("button", name="Load digits").click()
        expect(missing.get_by_role("alert")).to_contain_text("cannot be loaded")
        rail(page, "Models")
        expect(page.get_by_role("region", name="Models that do not serve")).to_contain_text(
            re.compile("digits.*image-classification.*onnx", re.DOTALL)
        )
        expect(page.get_by_role("region", name="Models", exact=True)).to_contain_text(
            "Without a model on this server, and so not shown: Words (word-vectors), Translate (translation)."
        )
        links = page.get_by_role("navigation", name="Panels").get_by_role("link")
        expect(links).to_have_text(["Draw", "Tag", "Models", "Teach"])


def test_what_failed_while_the_server_was_away_is_asked_again_once_it_is_back(browser: Browser, program: Path) -> None:
    python, command = str(program.parent / "python"), (str(program), "serve")
    with server(ROOT / "models", python=python, program=command) as first:
        address = first.wait_for("serving")["address"]
        with window(browser, address, expected="ERR_CONNECTION_REFUSED|Failed to load resource") as page:
            page.goto("/#/tag")
            expect(page.get_by_role("group", name="Tagged by ner-en")).to_be_visible()
            page.goto("/#/words?q=cat")
            expect(page.locator(".best p")).not_to_be_empty()
            first.signal(signal.SIGKILL)
            first.wait()
            page.get_by_label("A word, a sum of words").fill("dog")
            expect(page.locator(".notice")).to_contain_text("goes on by itself once the server is back")
            expect(page.locator(".map-area")).to_have_css("opacity", "0.55")  # It is of the cat.
            rail(page, "Tag")
            expect(page.locator(".problem").first).to_contain_text("cannot be reached")
            rail(page, "Words")
            with server(ROOT / "models", python=python, program=command, PORT=address.rpartition(":")[2]) as second:
                second.wait_for("serving")
                expect(page.locator(".notice")).to_have_count(0)
                expect(page.locator(".map-area")).to_have_css("opacity", "1")
                expect(page.get_by_label("A word, a sum of words")).to_have_value("dog")
                expect(page.locator(".best p")).not_to_be_empty()
