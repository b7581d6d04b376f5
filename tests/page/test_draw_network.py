"""The panel Draw: what it shows of the network, from the picture that it gets to the percentages."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.page.browser import PATIENCE_MS, wait_until
from tests.page.drawing import draw

expect.set_options(timeout=PATIENCE_MS)


def test_why_shows_layers_what_a_unit_saw_and_its_sum(page: Page) -> None:
    page.goto("/#/draw")
    layers = page.locator(".network .layer h3")
    expect(layers).to_have_count(8)
    expect(layers.nth(1)).to_contain_text("6 maps of 28 \N{MULTIPLICATION SIGN} 28")
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
    unit.get_by_label("Unit").fill("8")
    expect(unit.locator("h3")).to_contain_text("unit 8:")
    unit.get_by_label("Unit").fill("99")
    expect(unit.get_by_role("alert")).to_have_text("Units go from 1 to 84; 8 is shown.")
    expect(unit.locator("h3")).to_contain_text("unit 8:")
    unit.get_by_label("Unit").fill("84")
    expect(unit.get_by_role("alert")).to_have_count(0)
    expect(unit.locator("h3")).to_contain_text("unit 84:")
    page.locator(".network .layer").last.locator("button.map").click()
    unit.get_by_label("Label").select_option("8")
    expect(unit.locator("h3")).to_contain_text("output, “8”:")
    expect(unit).to_contain_text("are about")
    unit.get_by_role("button", name="Close").click()
    expect(unit).to_have_count(0)


def test_how_outputs_become_percentages_is_said_with_the_temperature_of_the_graph(page: Page) -> None:
    page.goto("/#/draw")
    expect(page.locator(".network")).to_contain_text("each output divided by 0.642, as a share of the sum of all.")
    expect(page.locator(".network")).to_contain_text("0.642 is the temperature")


@pytest.mark.parametrize("temperature", [1, None])
def test_without_a_temperature_none_is_named(page: Page, temperature: int | None) -> None:
    listing = page.request.get("/v1/models").json()
    (digits,) = (model for model in listing["data"] if model["id"] == "digits")
    assert digits["details"]["temperature"] == pytest.approx(0.642, abs=0.001)
    digits["details"]["temperature"] = temperature
    page.route("**/v1/models", lambda route: route.fulfill(json=listing))
    page.goto("/#/draw")
    network = page.locator(".network")
    expect(network.locator(".unit-labels")).to_be_visible()
    expect(network).not_to_contain_text("temperature")
    expect(network.get_by_text("e to the power of each output, as a share")).to_have_count(
        0 if temperature is None else 1
    )


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
    expect(page.locator(".answer")).to_contain_text("is about 9. Choose it again to return to the answer.")
    expect(heat_map.locator("canvas")).to_be_in_viewport(ratio=1)
    page.reload()
    expect(heat_map).to_contain_text("for and against “9”")
    nine.click()
    expect(heat_map).to_contain_text("for and against “3”, the answer")
    expect(page).not_to_have_url(re.compile("label="))


def test_another_figure_is_explained_by_its_own_answer_again(page: Page) -> None:
    page.goto("/#/draw?label=9")
    heat_map = page.locator(".strip figure").last
    expect(heat_map).to_contain_text("for and against “9”, which is not the answer")
    page.get_by_role("button", name="seven").click()
    expect(heat_map).to_contain_text("for and against “7”, the answer")
    page.locator(".predictions").get_by_role("button", name="9").click()
    expect(page).to_have_url(re.compile("label=9"))
    page.get_by_role("button", name="Clear").click()
    expect(page).not_to_have_url(re.compile("label="))


def test_a_figure_in_place_of_an_example_is_explained_by_its_own_answer(page: Page) -> None:
    page.goto("/#/draw?label=9")
    heat_map = page.locator(".strip figure").last
    expect(heat_map).to_contain_text("for and against “9”, which is not the answer")
    draw(page, (0.3, 0.25), (0.68, 0.25), (0.55, 0.5), (0.45, 0.8))  # in place of the example
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
    value, total = re.search(r"column \d+: (\S+)", text), re.search(r"\N{ALMOST EQUAL TO} (\S+)\. Its activation", text)
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
