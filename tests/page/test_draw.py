"""The panel Draw: a person's path through it."""

from __future__ import annotations

import json
import re

from playwright.sync_api import Browser, Page, Route, expect

from tests.page.browser import PATIENCE_MS, SIZES, Size, window
from tests.page.drawing import draw

expect.set_options(timeout=PATIENCE_MS)


def test_what_is_drawn_is_read_and_the_link_holds_it(page: Page) -> None:
    page.goto("/#/draw")
    expect(page.locator(".predictions .reading output")).to_have_text("3")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".answer")).to_contain_text("Draw a figure")
    draw(page, (0.3, 0.25), (0.68, 0.25), (0.55, 0.5), (0.45, 0.8))
    expect(page.locator(".predictions .reading output")).to_have_text("7")
    expect(page).to_have_url(re.compile("drawing=p"))
    address = page.url
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".answer")).to_contain_text("Draw a figure")
    page.goto("about:blank")
    page.goto(address)
    expect(page.locator(".predictions .reading output")).to_have_text("7")


def test_the_back_button_brings_the_last_drawing_back(page: Page) -> None:
    page.goto("/#/draw")
    expect(page.locator(".predictions .reading output")).to_have_text("3")
    page.get_by_role("button", name="seven").click()
    expect(page.locator(".predictions .reading output")).to_have_text("7")
    page.go_back()
    expect(page.locator(".predictions .reading output")).to_have_text("3")


def test_the_first_stroke_takes_the_place_of_an_example(page: Page) -> None:
    seven = (0.3, 0.25), (0.68, 0.25), (0.55, 0.5), (0.45, 0.8)
    output = page.locator(".predictions .reading output")
    page.goto("/#/draw")
    expect(output).to_have_text("3")
    draw(page, *seven)
    expect(output).to_have_text("7")
    expect(page).to_have_url(re.compile(r"drawing=p[^-]+$"))  # one stroke
    page.get_by_role("button", name="Undo", exact=True).click()
    expect(output).to_have_text("3")
    page.get_by_role("button", name="two figures").click()
    expect(page.locator(".doubt").first).to_contain_text("2 figures")
    draw(page, *seven)
    expect(output).to_have_text("7")
    page.go_back()
    expect(page.locator(".doubt").first).to_contain_text("2 figures")


def test_the_eraser_works_on_an_example(page: Page) -> None:
    page.goto("/#/draw")
    expect(page.locator(".predictions .reading output")).to_have_text("3")
    page.get_by_role("button", name="Eraser").click()
    draw(page, (0.2, 0.1), (0.3, 0.1))
    expect(page).to_have_url(re.compile("drawing=p[^&]*-e"))
    expect(page.locator(".predictions .reading output")).to_have_text("3")


def test_the_focus_stays_on_a_button_that_has_nothing_more_to_do(page: Page) -> None:
    page.goto("/#/draw")
    expect(page.locator(".predictions .reading output")).to_have_text("3")
    clear = page.get_by_role("button", name="Clear")
    clear.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".answer")).to_contain_text("Draw a figure")
    expect(clear).to_be_disabled()
    expect(clear).to_be_focused()


def test_a_phone_shows_all_bars_while_one_draws(browser: Browser, url: str) -> None:
    with window(browser, url, size=Size(390, 664)) as page:  # what a phone's browser leaves of 844 pixels
        page.goto("/#/draw")
        expect(page.locator(".predictions .reading output")).to_have_text("3")
        expect(page.locator(".predictions .bars .row").last).to_be_in_viewport(ratio=1)
        bars = page.locator(".predictions .bars").bounding_box()
        bottom = page.locator(".rail").bounding_box()
        assert bars is not None
        assert bottom is not None
        assert bars["y"] + bars["height"] <= bottom["y"]


def test_bars_follow_the_pen_while_it_draws(page: Page) -> None:
    page.goto("/#/draw?drawing=")
    expect(page.locator(".answer")).to_contain_text("Draw a figure")
    box = page.locator(".pad canvas").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 140, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 140, box["y"] + 220, steps=12)
    expect(page.locator(".predictions .bars .row")).to_have_count(10)
    expect(page.locator(".predictions .reading output")).to_have_text("1")
    page.mouse.up()


def test_a_figure_is_drawn_with_the_keyboard(page: Page) -> None:
    page.goto("/#/draw?drawing=")
    pad = page.get_by_role("img", name="Paper to draw on")
    page.get_by_role("button", name="Thin pen").focus()
    page.keyboard.press("Shift+Tab")
    expect(pad).to_be_focused()
    expect(page.locator("#pad-keys")).to_have_css("opacity", "1")
    page.keyboard.press(" ")
    expect(page.locator("#pad-keys")).to_have_css("opacity", "0")  # It would lie over the ink.
    for _ in range(16):
        page.keyboard.press("ArrowDown")
    page.keyboard.press(" ")
    page.keyboard.press("Escape")
    expect(page.locator(".predictions .reading output")).to_have_text("1")


def test_what_is_odd_about_a_picture_is_said(page: Page) -> None:
    page.goto("/#/draw")
    page.get_by_role("button", name="two figures").click()
    expect(page.locator(".doubt").first).to_contain_text("2 figures")
    page.get_by_label("One by one").check()
    expect(page.locator(".predictions .reading output")).to_have_text("1 2")
    expect(page.locator(".pad .part")).to_have_count(2)
    expect(page.locator(".doubt")).to_have_count(0)  # Together they are no label, but each is one.
    page.get_by_label("One by one").uncheck()
    page.get_by_role("button", name="a letter").click()
    expect(page.locator(".doubt").first).to_contain_text("Not sure")


def test_a_figure_that_is_not_recognized_among_several_is_named(page: Page) -> None:
    def doubt_the_second(route: Route) -> None:
        if "explain=true" in route.request.url:  # may still be on its way when the test ends
            route.fallback()
            return
        answer = route.fetch().json()
        for part in answer["results"][0].get("parts", [])[1:]:
            part |= {"recognized": False, "familiarity": 0.125}
        route.fulfill(json=answer)

    page.route("**/v1/classify*", doubt_the_second)
    page.goto("/#/draw?split=1")
    page.get_by_role("button", name="two figures").click()
    expect(page.locator(".predictions .reading output")).to_have_text("1 2")
    expect(page.locator(".doubt")).to_have_count(1)
    expect(page.locator(".doubt")).to_contain_text(
        "Not sure that figure 2 (read as 2, one of the labels with a probability of 12.5 %) is any of its labels"
    )


def test_the_bars_follow_what_deforms_the_drawing(page: Page) -> None:
    page.goto("/#/draw")
    expect(page.locator(".predictions .reading output")).to_have_text("3")
    page.get_by_text("Deform", exact=True).click()
    page.get_by_label("Rotate").fill("90")
    expect(page).to_have_url(re.compile("rotate=90"))
    expect(page.locator(".predictions .reading output")).not_to_have_text("3")
    page.get_by_role("button", name="Undo all of it").click()
    expect(page.locator(".predictions .reading output")).to_have_text("3")


def test_a_phone_has_the_other_percentages_in_words(browser: Browser, url: str) -> None:
    with window(browser, url, size=SIZES["phone"]) as page:
        page.goto("/#/draw")
        expect(page.locator(".predictions .others")).to_be_visible()
        expect(page.locator(".predictions .others")).to_have_text(
            re.compile(r"^(Then \d: [\d.]+ %|Each of the others: less)")
        )
        page.goto("/#/translate")
        menu = page.get_by_label("Model")
        expect(menu).to_be_visible()
        width = menu.evaluate("(menu) => menu.clientWidth - parseFloat(getComputedStyle(menu).paddingLeft) - 20")
        name = menu.evaluate(
            """(menu) => {
              const context = document.createElement('canvas').getContext('2d');
              context.font = getComputedStyle(menu).font;
              return context.measureText('translate-en-de').width;
            }"""
        )
        assert name < width


def test_a_model_without_an_explanation_still_answers(browser: Browser, url: str) -> None:
    def refuse(route: Route) -> None:
        if "explain=true" in route.request.url:
            body = json.dumps({"detail": "explain is not there", "field": "explain"})
            route.fulfill(status=422, headers={"content-type": "application/problem+json"}, body=body)
        else:
            route.fallback()

    with window(browser, url, expected="422") as page:
        page.route("**/v1/classify*", refuse)
        page.goto("/#/draw")
        expect(page.locator(".predictions .reading output")).to_have_text("3")
        expect(page.locator(".strip")).to_contain_text("exported without the graph")


def test_a_server_that_goes_away_while_one_draws_loses_nothing(browser: Browser, url: str) -> None:
    with window(browser, url, expected="Failed to load resource|ERR_FAILED") as page:
        page.goto("/#/draw")
        expect(page.locator(".predictions .reading output")).to_have_text("3")
        asked: list[str] = []

        def refuse(route: Route) -> None:
            asked.append(route.request.url)
            route.abort()

        page.route("**/v1/classify*", refuse)
        page.get_by_role("button", name="Clear").click()
        draw(page, (0.3, 0.25), (0.68, 0.25), (0.55, 0.5), (0.45, 0.8))
        assert len(asked) <= 3  # and not once for each move of the pen
        expect(page.locator("#draw-problem")).to_contain_text("Asking again in")
        page.unroute("**/v1/classify*")
        expect(page.locator(".predictions .reading output")).to_have_text("7")


def test_a_tap_draws_a_dot(page: Page) -> None:
    page.goto("/#/draw?drawing=")
    expect(page.locator(".answer")).to_contain_text("Draw a figure")
    page.get_by_role("img", name="Paper to draw on").click()
    expect(page.locator(".predictions .bars .row")).to_have_count(10)
    expect(page.locator("#draw-problem")).to_have_count(0)


def test_the_explanation_follows_when_the_pen_rests(page: Page) -> None:
    """The bars come first, and an answer without an explanation is a fraction of the work."""
    asked: list[str] = []
    page.on("request", lambda request: "classify" in request.url and asked.append(request.url))
    page.goto("/#/draw")
    expect(page.locator(".network .layer")).to_have_count(8)
    assert ["explain" in url for url in asked] == [False, True]
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".network .layer")).to_have_count(0)
    draw(page, (0.3, 0.25), (0.68, 0.25), (0.55, 0.5), (0.45, 0.8))
    expect(page.locator(".network .layer")).to_have_count(8)
    assert "explain" not in asked[2]


def test_nothing_is_explained_while_both_folds_are_closed(page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: "explain" in request.url and asked.append(request.url))
    page.goto("/#/draw")
    expect(page.locator(".network .layer")).to_have_count(8)
    page.get_by_text("What it saw", exact=True).click()
    page.get_by_text("Why", exact=True).click()
    count = len(asked)
    page.get_by_role("button", name="seven").click()
    expect(page.locator(".predictions .reading output")).to_have_text("7")
    page.wait_for_timeout(500)  # longer than the pause after which it would be asked for
    assert len(asked) == count
    page.get_by_text("Why", exact=True).click()
    expect(page.locator(".network .layer")).to_have_count(8)
    assert len(asked) == count + 1


def test_bars_of_an_older_drawing_are_marked_while_the_server_is_slow(page: Page) -> None:
    page.goto("/#/draw")
    expect(page.locator(".predictions .reading output")).to_have_text("3")
    page.route("**/v1/classify*", lambda _: None)  # no answer comes
    draw(page, (0.3, 0.25), (0.68, 0.25), (0.55, 0.5))
    expect(page.locator(".answer .stale .predictions")).to_be_visible()
    expect(page.locator(".answer .waiting")).to_contain_text("is looking")
    page.unroute("**/v1/classify*")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".answer")).to_contain_text("Draw a figure")
