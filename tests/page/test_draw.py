"""The panel Draw: a person's path through it."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.page.browser import PATIENCE_MS, Size, wait_until, window
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
    pad.focus()
    page.keyboard.press(" ")
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
    page.get_by_label("One by one").uncheck()
    page.get_by_role("button", name="a letter").click()
    expect(page.locator(".doubt").first).to_contain_text("Not sure")


def test_the_bars_follow_what_deforms_the_drawing(page: Page) -> None:
    page.goto("/#/draw")
    expect(page.locator(".predictions .reading output")).to_have_text("3")
    page.get_by_text("Deform", exact=True).click()
    page.get_by_label("Rotate").fill("90")
    expect(page).to_have_url(re.compile("rotate=90"))
    expect(page.locator(".predictions .reading output")).not_to_have_text("3")
    page.get_by_role("button", name="Undo all of it").click()
    expect(page.locator(".predictions .reading output")).to_have_text("3")


def test_why_shows_layers_what_a_unit_saw_and_its_sum(page: Page) -> None:
    page.goto("/#/draw")
    layers = page.locator(".network .layer h3")
    expect(layers).to_have_count(8)
    expect(layers.nth(1)).to_contain_text("6 \N{MULTIPLICATION SIGN} 28 \N{MULTIPLICATION SIGN} 28")
    expect(page.locator(".strip figure")).to_have_count(5)
    third = page.locator(".network .layer").nth(3).locator("button.map")
    expect(third).to_have_count(16)
    third.first.hover()
    expect(page.locator(".network .box")).not_to_have_count(0)
    third.first.click()
    unit = page.get_by_role("region", name="The sum of a unit")
    expect(unit).to_contain_text("c3, map 1")
    expect(unit.locator(".product")).to_have_count(6)
    expect(unit).to_contain_text("(bias)")
    unit.get_by_label("Row").fill("1")
    expect(unit.locator("h3")).to_contain_text("row 1,")
    page.locator(".network .layer").nth(6).locator("button.map").click()
    expect(unit).to_contain_text("strongest of 120 terms")
    unit.get_by_role("button", name="Close").click()
    expect(unit).to_have_count(0)


def test_the_steps_of_normalization_are_shown_and_named(page: Page) -> None:
    page.goto("/#/draw")
    strip = page.locator(".strip")
    for name in ("as it was sent", "in gray", "ink that was found", "as the network gets it", "for and against 3"):
        expect(strip.get_by_role("img", name=name)).to_have_count(1)
    pixel = "(canvas) => [...canvas.getContext('2d').getImageData(0, 0, 1, 1).data]"
    assert strip.get_by_role("img", name="in gray").evaluate(pixel) == [255, 255, 255, 255]  # the paper


def test_a_bar_that_is_chosen_shows_what_speaks_for_its_label(page: Page) -> None:
    page.goto("/#/draw")
    heat_map = page.locator(".strip figure").last
    expect(heat_map).to_contain_text("for and against “3”, the answer")
    nine = page.locator(".predictions").get_by_role("button", name="9")
    nine.focus()
    page.keyboard.press("Enter")
    expect(heat_map).to_contain_text("for and against “9”, which is not the answer")
    expect(nine).to_have_attribute("aria-pressed", "true")
    expect(page).to_have_url(re.compile("label=9"))
    expect(page.locator(".answer")).to_contain_text("is about 9")
    page.get_by_role("button", name="seven").click()
    expect(page.locator(".predictions .reading output")).to_have_text("7")
    expect(heat_map).to_contain_text("for and against “9”, which is not the answer")
    page.reload()
    expect(heat_map).to_contain_text("for and against “9”")
    nine.click()
    expect(heat_map).to_contain_text("for and against “7”, the answer")
    expect(page).not_to_have_url(re.compile("label="))


def test_a_label_in_the_address_that_the_model_does_not_have_is_passed_over(page: Page) -> None:
    page.goto("/#/draw?label=x")
    expect(page.locator(".strip figure").last).to_contain_text("for and against “3”, the answer")
    expect(page.locator(".predictions button[aria-pressed='true']")).to_have_count(0)


def test_the_sum_of_a_unit_is_the_value_of_the_unit(page: Page) -> None:
    """Kernel, patch and bias as the server gives them make what the layer passed on."""
    page.goto("/#/draw")
    page.locator(".network .layer").nth(3).locator("button.map").first.focus()
    page.keyboard.press("Enter")  # the strongest unit, which the activation leaves as it is
    unit = page.get_by_role("region", name="The sum of a unit")
    text = unit.inner_text().replace("\N{MINUS SIGN}", "-")
    value, total = re.search(r"column \d+: (\S+)", text), re.search(r"= (\S+)\. Its activation", text)
    assert value is not None, text
    assert total is not None, text
    assert float(total[1]) == pytest.approx(float(value[1]), abs=0.05 * max(1.0, abs(float(value[1]))))


def test_the_pen_draws_no_map_again(page: Page) -> None:
    """The maps are those of the last answer: a move of the pen renders the panel, and must not repaint them."""
    page.add_init_script(
        """for (const name of ['fillRect', 'putImageData']) {
          const draw = CanvasRenderingContext2D.prototype[name];
          CanvasRenderingContext2D.prototype[name] = function (...input) {
            if (this.canvas.closest('.network')) window.mapsDrawn = (window.mapsDrawn ?? 0) + 1;
            return draw.apply(this, input);
          };
        }"""
    )
    page.goto("/#/draw")
    expect(page.locator(".network .layer")).to_have_count(8)
    wait_until(page, "window.mapsDrawn > 0")
    page.wait_for_load_state("networkidle")
    page.route("**/v1/classify*", lambda _: None)  # no other answer comes
    page.evaluate("window.mapsDrawn = 0")
    draw(page, (0.3, 0.25), (0.68, 0.25), (0.55, 0.5), (0.45, 0.8))
    expect(page).to_have_url(re.compile("drawing=p"))
    assert page.evaluate("window.mapsDrawn") == 0


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
