"""The frame: addresses, the model menu, keys, a server that is busy or unreachable, prefixes, and the documentation."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.page.browser import MAX_SHIFT, PATIENCE_MS, SIZES, wait_until, watch_shift, window
from tests.page.panels import PANELS, Shown
from tests.support.processes import ROOT, server

expect.set_options(timeout=PATIENCE_MS)

GONE = "ERR_CONNECTION_REFUSED|Failed to load resource"


def open_panel(page: Page, address: str = "#/tag") -> None:
    page.goto(f"/{address}")
    expect(page.locator(".answer")).to_be_visible()


def test_a_first_visit_finds_an_example_answered(page: Page) -> None:
    page.goto("/")
    expect(page.locator("nav.rail a[aria-current=page]")).to_have_count(1)
    expect(page.get_by_role("status").first).to_have_text("ready")
    expect(page.locator(".latency button")).to_have_text(re.compile(r"^[\d.]+ ms$"))


def test_the_address_holds_panel_and_input_and_the_back_button_returns(page: Page) -> None:
    open_panel(page)
    text = page.get_by_label("Text", exact=True)
    text.fill("Grace Hopper wrote compilers.")
    expect(page).to_have_url(re.compile(r"#/tag\?text=Grace\+Hopper\+wrote\+compilers\.$"))
    address = page.url
    models = page.get_by_label("Model")
    models.select_option(models.locator("option", has_text="pos-en").inner_text())
    expect(page).to_have_url(re.compile("model=pos-en"))
    expect(page.get_by_role("group", name="Tagged by pos-en")).to_contain_text("VERB")
    page.go_back()
    expect(page.get_by_role("group", name="Tagged by ner-en")).to_contain_text("PER")
    page.goto("about:blank")
    page.goto(address)
    expect(page.get_by_label("Text", exact=True)).to_have_value("Grace Hopper wrote compilers.")


def test_the_styles_of_a_panel_reach_no_other(page: Page) -> None:
    sizes = """() => ['.maps .map', '.strip .map', '.pad canvas'].map((each) => {
        const { width, height } = document.querySelector(each).getBoundingClientRect();
        return [width, height];
    })"""
    open_panel(page, "#/draw")
    expect(page.locator(".network .unit-labels")).to_be_visible()
    before = page.evaluate(sizes)
    for shown in PANELS:
        page.goto(f"/#/{shown.name}")
        expect(page.locator(f"main[data-panel={shown.name}] > *").nth(1)).to_be_visible()
    page.goto("/#/draw")
    expect(page.locator(".network .unit-labels")).to_be_visible()
    assert page.evaluate(sizes) == before
    rules = page.evaluate(
        """() => [...document.styleSheets].map((sheet) => [
            /panels\\/(\\w+)\\//.exec(sheet.href)?.[1],
            [...sheet.cssRules].map((rule) => rule.selectorText ?? rule.cssText),
        ]).filter(([panel]) => panel)"""
    )
    assert sorted(rules) == sorted([name, [f':where([data-panel="{name}"])']] for name, *_ in PANELS)


def test_a_long_text_makes_no_long_link_and_is_not_lost(browser: Browser, url: str) -> None:
    with window(browser, url, expected="422") as page:  # It is too long to be explained.
        open_panel(page)
        expect(page.get_by_role("group", name="Tagged by ner-en")).to_contain_text("PER")
        text = page.get_by_label("Text", exact=True)
        long = "Früh sang Ada. " * 3_000
        text.fill(long)
        notice = page.get_by_text("This input is too long for a link")
        expect(notice).to_be_visible()
        wait_until(page, "() => history.state?.omitted?.text")
        expect(page).to_have_url(re.compile("#/tag$"))
        page.reload()
        expect(text).to_have_value(long)
        expect(notice).to_be_visible()
        models = page.get_by_label("Model")
        models.select_option(models.locator("option", has_text="pos-en").inner_text())
        expect(page).to_have_url(re.compile("#/tag\\?model=pos-en$"))
        page.go_back()
        expect(page).to_have_url(re.compile("#/tag$"))
        expect(text).to_have_value(long)
        text.fill("Ada sang.")
        expect(page).to_have_url(re.compile("text=Ada"))
        expect(notice).to_have_count(0)


def test_the_last_answer_says_where_its_time_went(page: Page) -> None:
    open_panel(page)
    page.locator(".latency button").focus()
    expect(page.get_by_role("tooltip")).to_be_visible()
    for stage in ("queue", "preprocess", "infer", "postprocess"):
        expect(page.get_by_role("tooltip")).to_contain_text(stage)


def test_the_time_at_the_top_is_of_an_answer_of_the_panel_that_is_shown(page: Page) -> None:
    time = page.locator(".latency button")
    open_panel(page, "#/draw")
    expect(page.locator(".network .unit-labels")).to_be_visible()  # The weights came after the answer.
    expect(page.get_by_role("tooltip", include_hidden=True)).to_contain_text("v1/classify, as the browser saw it")
    page.goto("/#/teach")
    expect(page.locator(".teach")).to_be_visible()
    expect(time).to_have_count(0)
    page.goto("/#/tag")
    expect(page.get_by_role("tooltip", include_hidden=True)).to_contain_text("v1/tag")


def test_the_size_for_a_projector_is_remembered(page: Page) -> None:
    open_panel(page)
    root = page.locator("html")
    expect(root).to_have_css("font-size", "16px")
    page.get_by_role("button", name="Projector size").click()
    expect(root).to_have_css("font-size", "24px")
    page.reload()
    expect(page.get_by_role("button", name="Projector size")).to_have_attribute("aria-pressed", "true")
    expect(root).to_have_css("font-size", "24px")


@pytest.mark.parametrize("size", [*SIZES, "projector, larger"])
@pytest.mark.parametrize("panel", PANELS, ids=[panel.name for panel in PANELS])
def test_nothing_moves_while_a_panel_is_loaded(browser: Browser, url: str, panel: Shown, size: str) -> None:
    with window(browser, url, size=SIZES[size.partition(",")[0]]) as page:
        panel.prepare(page)
        if "larger" in size:
            page.goto("/")
            page.get_by_role("button", name="Projector size").click()
        page.goto("about:blank")
        watch_shift(page)
        page.goto(f"/{panel.address}")
        expect(page.locator(panel.ready).first).to_be_visible()
        page.wait_for_timeout(1_500)  # for what comes later, such as the second reading of the metrics
        assert page.evaluate("window.shift") < MAX_SHIFT


def test_on_a_phone_the_name_of_the_model_is_not_cut(browser: Browser, url: str) -> None:
    with window(browser, url, size=SIZES["phone"]) as page:
        open_panel(page, "#/translate")
        expect(page.get_by_role("heading", level=1)).to_have_text("Translate")
        menu = page.locator(".top select")
        expect(menu.locator("option:checked")).to_have_text(re.compile("^translate-en-de"))
        needed, width = menu.evaluate(
            """(menu) => {
              const { font, paddingLeft, paddingRight } = getComputedStyle(menu);
              const context = document.createElement('canvas').getContext('2d');
              context.font = font;
              const text = context.measureText(menu.selectedOptions[0].text).width;
              return [text + parseFloat(paddingLeft) + parseFloat(paddingRight), menu.getBoundingClientRect().width];
            }"""
        )
        assert width >= needed + 16, "and its arrow"


def test_a_panel_is_used_by_keyboard_alone(page: Page) -> None:
    open_panel(page)
    expect(page.locator(".marked .word").first).to_be_visible()
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("() => document.activeElement.matches('.marked .word')"):
            break
    page.keyboard.press("Enter")
    expect(page.locator(".marked .word").first).to_have_attribute("aria-pressed", "true")


def test_the_code_is_of_exactly_what_is_shown(page: Page, url: str) -> None:
    open_panel(page, "#/tag?text=It%27s+%22me%22&model=pos-en")
    page.get_by_text("As code").click()
    program = page.get_by_label("Program")
    expect(program).to_contain_text(f"curl '{url}/v1/tag'")
    expect(program).to_contain_text(r"It'\''s")
    page.get_by_role("button", name="Python").click()
    expect(program).to_contain_text("urllib.request.Request(")
    page.get_by_role("button", name="JavaScript").click()
    expect(program).to_contain_text("await fetch(")


def test_a_key_is_asked_for_and_kept_for_the_tab(browser: Browser, keyed: tuple[str, str]) -> None:
    address, key = keyed
    with window(browser, address, expected="401") as page:
        page.goto("/#/tag")
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("This server wants an API key")
        dialog.get_by_label("API key").fill("lectern_wrong")
        dialog.get_by_role("button", name="Use the key").click()
        expect(page.get_by_role("dialog")).to_contain_text("not valid")
        dialog.get_by_label("API key").fill(key)
        dialog.get_by_role("button", name="Use the key").click()
        expect(page.get_by_role("group", name="Tagged by ner-en")).to_contain_text("PER")
        page.reload()
        expect(page.get_by_role("group", name="Tagged by ner-en")).to_contain_text("PER")
        assert page.evaluate(
            "() => localStorage.length === 0 || !JSON.stringify({...localStorage}).includes('lectern_')"
        )
        page.get_by_text("As code").click()
        expect(page.get_by_label("Program")).to_contain_text("authorization: Bearer $LECTERN_KEY")
        assert key not in page.content()


@pytest.mark.parametrize("status", [503, 429])
def test_a_server_with_too_much_to_do_is_asked_again(browser: Browser, url: str, status: int) -> None:
    refusals = [{"detail": "the queue is full"}] * 2

    def refuse(route: Route) -> None:
        if refusals:
            body = json.dumps(refusals.pop())
            route.fulfill(
                status=status, headers={"retry-after": "2", "content-type": "application/problem+json"}, body=body
            )
        else:
            route.fallback()

    with window(browser, url, expected=str(status)) as page:
        page.route("**/v1/tag", refuse)
        page.goto("/#/tag")
        expect(page.locator(".problem")).to_contain_text("The queue is full.")
        expect(page.locator(".problem")).to_contain_text(re.compile(r"Asking again in [12] s\."))
        expect(page.get_by_role("group", name="Tagged by ner-en")).to_contain_text("PER")
        expect(page.locator(".problem")).to_have_count(0)


def test_a_server_that_goes_away_is_waited_for_and_nothing_is_lost(browser: Browser, program: Path) -> None:
    python, command = str(program.parent / "python"), (str(program), "serve")
    with server(ROOT / "models", python=python, program=command) as first:
        address = first.wait_for("serving")["address"]
        with window(browser, address, expected=GONE) as page:
            open_panel(page)
            expect(page.get_by_role("group", name="Tagged by ner-en")).to_contain_text("PER")
            first.signal(signal.SIGKILL)
            first.wait()
            page.get_by_label("Text", exact=True).fill("Marie Curie lived in Paris.")
            expect(page.locator(".notice")).to_contain_text("cannot be reached")
            expect(page.locator(".problem").first).to_contain_text("Asking again in")
            port = address.rpartition(":")[2]
            with server(ROOT / "models", python=python, program=command, PORT=port) as second:
                second.wait_for("serving")
                expect(page.get_by_role("group", name="Tagged by ner-en")).to_contain_text("Marie")
                expect(page.locator(".notice")).to_have_count(0)
                expect(page.get_by_label("Text", exact=True)).to_have_value("Marie Curie lived in Paris.")


def test_only_tasks_with_a_model_have_a_panel(browser: Browser, url: str) -> None:
    with window(browser, url) as page:
        page.route("**/v1/models", lambda route: route.fulfill(json={"object": "list", "data": []}))
        page.goto("/#/tag")
        expect(page.locator("main")).to_contain_text("This server has no model for Tag")
        expect(page.locator("nav.rail li")).to_have_count(0)
        page.goto("/#/nothing")
        expect(page.locator("main")).to_contain_text("There is no panel named nothing")
        for address in ("/#/models", "/#/"):
            page.goto(address)
            expect(page.locator("main")).to_contain_text("This server has no models")


def test_an_error_stands_beside_its_field_in_the_server_s_words(browser: Browser, url: str) -> None:
    with window(browser, url, expected="422|413") as page:
        open_panel(page)
        page.get_by_label("Text", exact=True).fill("word " * 30_000)
        problem = page.locator("#tag-problem")
        expect(problem).to_contain_text("100000")
        expect(page.get_by_label("Text", exact=True)).to_have_attribute("aria-invalid", "true")
        assert problem.inner_text().splitlines() == [
            "Text: 150000 bytes of text, the limit is 100000. Shorten the text.",
            "For whoever runs this server",
        ]
        problem.get_by_text("For whoever runs this server").click()
        assert "(LECTERN_MAX_TEXT_BYTES)" in problem.inner_text()


def test_a_person_is_told_what_a_person_can_do(page: Page) -> None:
    page.goto("/")
    cases = {
        "the picture is 9000 x 9000 pixels, over the limit of 20,000,000 (LECTERN_MAX_PIXELS); send a smaller one": (
            "The picture is 9000 x 9000 pixels, over the limit of 20,000,000; send a smaller one."
        ),
        "text: has 20000 characters, the limit is 10000 (LECTERN_MAX_CHARACTERS); send it in parts": (
            "Text: has 20000 characters, the limit is 10000. Shorten the text."
        ),
        "the body is larger than 9 bytes (the smaller of LECTERN_MAX_BODY_BYTES and what LECTERN_MAX_TEXTS can take); "
        "send it in parts": "What was sent is larger than 9 bytes. Take a smaller picture or a shorter text.",
        "the body is larger than 16777216 bytes (LECTERN_MAX_BODY_BYTES); send it in parts": (
            "What was sent is larger than 16.0 MiB. Take a smaller picture or a shorter text."
        ),
        "loading and unloading is off: LECTERN_HOST is no loopback address; set LECTERN_MODEL_CONTROL=explicit and "
        "restart": "Loading and unloading is off.",
        "this host is not trusted; call the server by an address that LECTERN_TRUSTED_HOSTS names, or by localhost": (
            "This host is not trusted."
        ),
        "the image is HEIC, which is read only where the extra `heif` is installed (pip install 'lectern[heif]'); send "
        "a PNG or JPEG of it": "This picture is HEIC, which this server does not read. Choose a PNG or JPEG of it.",
        "positive[1]: 'zebr' is not in the vocabulary": "'zebr' is not in the vocabulary.",
        "model 'a' has 64 requests in flight, which is the limit (LECTERN_MAX_QUEUE_SIZE)": (
            "Model 'a' has 64 requests in flight, which is the limit."
        ),
    }
    for message, text in cases.items():
        found = page.evaluate(
            "async (message) => (await import('/page/components/server_message.js')).forPerson(message)", message
        )
        assert found["text"] == text
        assert (found["whole"] is not None) is ("LECTERN_" in message or "pip install" in message)


@pytest.mark.parametrize("path", ["/models/", "/models", "/"])
def test_behind_a_prefix_everything_works(browser: Browser, program: Path, path: str) -> None:
    python, command = str(program.parent / "python"), (str(program), "serve")
    with server(ROOT / "models", python=python, program=command, ROOT_PATH="/models") as process:
        address = process.wait_for("serving")["address"]
        with window(browser, address) as page:
            page.goto(f"{path}#/tag")
            expect(page.get_by_role("group", name="Tagged by ner-en")).to_contain_text("PER")
            page.goto("/models/redoc")
            expect(page).to_have_url(f"{address}/models/docs")
            expect(page.locator(".opblock").first).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_documentation_works_without_the_internet(browser: Browser, url: str, scheme: str) -> None:
    with window(browser, url, scheme="dark" if scheme == "dark" else "light") as page:
        page.goto("/docs")
        expect(page.get_by_text("/v1/classify", exact=True).first).to_be_visible()
        page.locator(".opblock-summary").first.click()
        page.get_by_role("button", name="Try it out").click()
        page.get_by_role("button", name="Execute").click()
        expect(page.locator(".responses-table.live-responses-table")).to_be_visible()
