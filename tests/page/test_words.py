"""The panel Words: a person's path through it, and its arithmetic."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.page.browser import PATIENCE_MS, SIZES, Scheme, violations, wait_until, window
from tests.support.processes import ROOT, environment, server

expect.set_options(timeout=PATIENCE_MS)

TOO_LONG = "z" * 129
"""A word of more characters than the server composes."""


@pytest.fixture(scope="module")
def composing(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of the tiny model `words`, which has vectors of n-grams."""
    folder, python = tmp_path_factory.mktemp("models"), str(program.parent / "python")
    write = (
        "from pathlib import Path; import numpy as np; "
        "from tests.support.word_vector_bundles import DIMENSIONS, write_words; "
        "buckets = np.random.default_rng(1).normal(size=(200, DIMENSIONS)).astype(np.float32); "
        f"write_words(Path({str(folder)!r}), buckets=buckets)"
    )
    subprocess.run([python, "-c", write], cwd=ROOT, env=environment(PYTHONPATH=str(ROOT)), check=True)
    with server(folder, python=python, program=(str(program), "serve")) as process:
        yield process.wait_for("serving")["address"]


def module(page: Page, name: str, call: str) -> Any:
    """What a call of a function in a module of the panel returns; `m` is the module."""
    return page.evaluate(f"async () => {{ const m = await import('/page/panels/words/{name}.js'); return {call}; }}")


def test_a_sum_leads_to_a_word_and_its_arrows_show_how(page: Page) -> None:
    page.goto("/#/words?q=king+-+man+%2B+woman")
    expect(page.locator(".best p")).to_have_text("queen")
    expect(page.get_by_role("table", name="Nearest words").locator(".row")).to_have_count(10)
    expect(page.locator("svg.arrows")).to_have_attribute(
        "aria-label", re.compile("^king \u2212 man \\+ woman leads nearest to queen")
    )


def test_a_neighbor_is_followed_and_the_back_button_returns(page: Page) -> None:
    page.goto("/#/words?q=cat")
    expect(page.locator(".best p")).not_to_be_empty()
    first = page.locator(".best p").inner_text()
    page.get_by_role("button", name=first, exact=True).click()
    expect(page.get_by_label("A word, a sum of words")).to_have_value(first)
    page.go_back()
    expect(page.get_by_label("A word, a sum of words")).to_have_value("cat")


def test_the_odd_one_out_is_named(page: Page) -> None:
    page.goto("/#/words?q=breakfast,+lunch,+dinner,+river")
    expect(page.locator(".best p").first).to_have_text("river")
    expect(page.get_by_role("table", name="How well each word fits")).to_contain_text("breakfast")


def test_an_unknown_word_is_named_with_what_is_like_it(page: Page) -> None:
    page.goto("/#/words?q=kingg")
    expect(page.locator("#words-problem")).to_contain_text("“kingg” is not in the vocabulary of words-en")
    page.locator("#words-problem .link").first.click()
    expect(page.locator(".best p")).not_to_be_empty()


def test_an_unknown_word_of_a_sum_is_replaced_where_it_stands(browser: Browser, url: str) -> None:
    with window(browser, url, expected="422") as page:
        page.goto(f"/#/words?q={quote('king - man + wooman')}")
        expect(page.locator("#words-problem")).to_have_text(re.compile("^\\s*“wooman” is not in the vocabulary"))
        expect(page.get_by_role("region", name="Answer")).to_contain_text("there are no nearest words")
        expect(page.get_by_role("region", name="Map")).to_contain_text("A map needs two words that words-en knows")
        page.locator("#words-problem").get_by_role("button", name="woman", exact=True).click()
        expect(page.get_by_label("A word, a sum of words")).to_have_value("king - man + woman")
        expect(page.get_by_role("table", name="Nearest words").locator(".row")).to_have_count(10)
        expect(page.locator("#words-problem")).to_have_text("")


def test_an_unknown_word_of_a_list_is_left_out_and_named(browser: Browser, url: str) -> None:
    with window(browser, url, expected="422") as page:
        page.goto("/#/words?q=cat,+wooman")
        answer = page.get_by_role("region", name="Answer")
        expect(page.locator("#words-problem")).to_have_text(re.compile("^\\s*“wooman” is not in the vocabulary"))
        expect(answer).to_contain_text("Near cat")
        expect(answer).to_contain_text("Left out, as words-en does not know it: wooman.")
        expect(page.get_by_role("table", name="Nearest words").locator(".row")).to_have_count(10)
        expect(answer).not_to_contain_text("there are no nearest words")
        page.get_by_label("A word, a sum of words").fill("cat, dog, unknownzz, horse")
        expect(answer).to_contain_text("Near all of them")
        expect(answer).to_contain_text("The odd one out")
        expect(answer.get_by_text("Left out, as words-en does not know it: unknownzz.")).to_have_count(1)
        expect(answer).not_to_contain_text("there are no nearest words")
        page.locator("#words-problem").get_by_role("button", name="unknowns", exact=True).click()
        expect(page.get_by_label("A word, a sum of words")).to_have_value("cat, dog, unknowns, horse")
        expect(page.locator("#words-problem")).to_have_text("")


@pytest.mark.parametrize("question", ["a - a", "lectrnn", ""])
def test_where_nothing_is_near_the_page_says_why_and_keeps_no_room(browser: Browser, url: str, question: str) -> None:
    with window(browser, url, expected="422") as page:
        page.goto(f"/#/words?q={quote(question)}")
        answer, card = page.get_by_role("region", name="Answer"), page.get_by_role("region", name="Map", exact=True)
        expect(answer).to_contain_text("Write a word" if not question else "there are no nearest words")
        expect(card).to_contain_text("A map needs two words")
        for region, most in ((answer, 300), (card, 300)):
            box = region.bounding_box()
            assert box is not None
            assert box["height"] < most


def test_on_a_phone_the_words_of_a_sum_are_large_enough_to_read(browser: Browser, url: str) -> None:
    with window(browser, url, size=SIZES["phone"]) as page:
        page.goto("/#/words")
        labels = page.locator("svg.arrows .word text")
        expect(labels).not_to_have_count(0)
        heights = labels.evaluate_all("(all) => all.map((each) => each.getBoundingClientRect().height)")
        assert min(heights) >= 11


def test_a_word_that_is_like_no_other_is_named_too(page: Page) -> None:
    page.goto("/#/words?q=xqzzkk")
    expect(page.locator("#words-problem")).to_contain_text("“xqzzkk” is not in the vocabulary of words-en.")
    expect(page.locator("#words-problem")).to_contain_text("Check how it is spelled")
    expect(page.get_by_role("region", name="Answer")).to_contain_text("there are no nearest words")


def test_the_odd_one_out_says_what_it_left_out(browser: Browser, url: str) -> None:
    with window(browser, url, expected="422") as page:
        page.goto("/#/words?q=breakfast,+luunch,+dinner,+river")
        answer = page.get_by_role("region", name="Answer")
        expect(answer.locator(".best p")).to_have_text("river")
        expect(answer).to_contain_text("Left out, as words-en does not know it: luunch.")
        page.get_by_label("A word, a sum of words").fill("breakfast, luunch, dinner")
        expect(answer).to_contain_text("Fewer than 3 of these words are known")
        page.locator("#words-problem").get_by_role("button", name="lunch", exact=True).click()
        expect(answer.locator(".best p")).not_to_be_empty()


def test_the_vectors_are_those_of_the_version_that_is_shown(page: Page) -> None:
    with page.expect_request("**/v1/embeddings") as request:
        page.goto("/#/words?q=cat")
    version = page.request.get("/v1/models/words-en").json()["version"]
    assert request.value.post_data_json["version"] == version


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_the_map_has_every_word(page: Page, method: str, dimensions: int) -> None:
    page.goto(f"/#/words?q=cat&words=oslo,+rome&map={method}&dimensions={dimensions}&around=100")
    drawing = page.get_by_role("img", name=f"Map of 103 words in {dimensions} dimensions")
    expect(drawing).to_be_visible()
    page.get_by_text("The map as a table").click()
    expect(page.get_by_role("region", name="Coordinates")).to_contain_text("oslo")
    if method == "pca":  # That of t-SNE may still be moving.
        before = drawing.evaluate("canvas => canvas.toDataURL()")
        drawing.press("ArrowRight")
        page.wait_for_timeout(200)
        after = drawing.evaluate("canvas => canvas.toDataURL()")
        assert (after == before) is (dimensions == 2), "only three dimensions turn"


@pytest.mark.parametrize("dimensions", [2, 3])
def test_the_answer_and_what_was_asked_have_labels_on_the_map(page: Page, dimensions: int) -> None:
    page.add_init_script(
        """(() => {
          const { fillText } = CanvasRenderingContext2D.prototype;
          window.labels = {};
          CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
            window.labels[text] = this.fillStyle;
            return fillText.call(this, text, ...rest);
          };
        })()"""
    )
    page.goto(f"/#/words?q=king - man + woman&dimensions={dimensions}&around=900")
    expect(page.get_by_role("img", name=f"in {dimensions} dimensions")).to_be_visible()
    for word in ("queen", "king", "man", "woman"):
        wait_until(page, f"() => window.labels.{word}")
    labels = page.evaluate("() => window.labels")
    assert [word for word, color in labels.items() if color == labels["queen"]] == ["queen"]


def test_words_stand_on_an_axis(page: Page) -> None:
    page.goto("/#/words?q=cat")
    page.get_by_text("An axis between two words").click()
    axis = page.get_by_role("table", name="Words between he and she")
    expect(axis.locator("tbody tr")).to_have_count(8)
    assert axis.locator("tbody th").last.inner_text() == "queen"
    page.get_by_label("Words on it").fill("mother, father, xqzzk")
    expect(axis.locator("tbody tr")).to_have_count(2)
    expect(page.locator("main")).to_contain_text("“xqzzk” is not in the vocabulary of words-en.")
    page.get_by_label("From", exact=True).fill("wooman")
    expect(page.locator("main")).to_contain_text("There is no axis while one of its ends is unknown.")
    page.locator(".axis-fields + .problem").get_by_role("button", name="woman", exact=True).click()
    expect(page.get_by_label("From", exact=True)).to_have_value("woman")
    page.get_by_label("To", exact=True).fill("woman")
    expect(page.locator("main")).to_contain_text("An axis needs two different words at its ends.")
    page.get_by_label("To", exact=True).fill("she")
    page.get_by_label("Words on it").fill("")
    expect(page.locator("main")).to_contain_text("Write words that are to be placed on the axis.")


def test_an_unknown_word_of_the_map_is_named(page: Page) -> None:
    page.goto("/#/words?q=cat&words=oslo,+rommee")
    card = page.get_by_role("region", name="Map", exact=True)
    expect(card).to_contain_text("“rommee” is not in the vocabulary of words-en.")
    card.locator(".problem .link").first.click()
    expect(page.get_by_label("Words of your own on the map")).to_have_value(re.compile("^oslo, (?!rommee)"))
    expect(card.locator(".problem")).to_have_count(0)


def test_the_map_is_saved_for_the_embedding_projector(page: Page, tmp_path: Path) -> None:
    page.goto("/#/words?q=cat&around=10")
    lines = {}
    for name in ("vectors.tsv", "metadata.tsv"):
        with page.expect_download() as download:
            page.get_by_role("button", name=name).click()
        assert download.value.suggested_filename == name
        download.value.save_as(tmp_path / name)
        lines[name] = (tmp_path / name).read_text(encoding="utf-8").splitlines()
    assert len(lines["vectors.tsv"]) == len(lines["metadata.tsv"]) == 11
    assert lines["metadata.tsv"][0] == "cat"
    assert {line.count("\t") for line in lines["vectors.tsv"]} == {279}


def test_questions_are_understood_as_people_write_them(page: Page) -> None:
    page.goto("/")
    cases: dict[str, tuple[str, list[str], list[str]]] = {
        "king": ("word", ["king"], []),
        "king - man + woman": ("sum", ["king", "woman"], ["man"]),
        "king \u2212man +woman": ("sum", ["king", "woman"], ["man"]),
        "- man + woman": ("sum", ["woman"], ["man"]),
        "well-known": ("word", ["well-known"], []),
        "cat, dog; car": ("several", ["cat", "dog", "car"], []),
    }
    for text, (kind, positive, negative) in cases.items():
        found = module(page, "parse", f"m.parse({text!r})")
        assert (found["kind"], found["positive"], found["negative"]) == (kind, positive, negative), text
    assert module(page, "parse", "m.parse(' + - ')") == {"kind": "none"}


def test_principal_components_are_those_of_the_vectors(page: Page) -> None:
    page.goto("/")
    vectors = "[[3,0,1],[-3,0,1],[0,1,1],[0,-1,1]].map((each) => Float32Array.from(each))"
    coordinates = module(page, "vectors", f"m.pca({vectors}, 2).coordinates")
    assert [[round(abs(value), 4) for value in point] for point in coordinates] == [[3, 0], [3, 0], [0, 1], [0, 1]]


def test_t_sne_keeps_groups_together(page: Page) -> None:
    page.goto("/")
    vector = "Float32Array.from({length: 5}, (_, d) => (i < 15 ? 5 : -5) + Math.sin(i * 7 + d))"
    vectors = f"Array.from({{length: 30}}, (_, i) => {vector})"
    points = module(page, "tsne", f"[...m.tsne({vectors}, 2)]")
    places = [complex(points[2 * index], points[2 * index + 1]) for index in range(30)]
    middles = [sum(places[start : start + 15]) / 15 for start in (0, 15)]
    for index, place in enumerate(places):
        assert abs(place - middles[index // 15]) < abs(place - middles[1 - index // 15])


def test_every_call_that_is_shown_is_there_as_code(page: Page) -> None:
    page.goto("/#/words?q=breakfast, lunch, dinner, river")
    expect(page.locator(".best").first).to_contain_text("river")
    expect(page.locator(".map")).to_be_visible()
    page.locator("summary", has_text="As code").click()
    programs = page.get_by_label("Program")
    for route in ("v1/neighbors", "v1/projection", "v1/odd-one-out", "nurse"):
        expect(programs.filter(has_text=route)).to_have_count(1)


def test_a_composed_word_is_explained(browser: Browser, composing: str) -> None:
    with window(browser, composing) as page:
        page.goto("/#/words?q=kings")
        note = page.locator("#words-composed")
        expect(note).to_have_text(
            re.compile(
                r"^\s*kings is not in the vocabulary of words: it has not learned how\s+the word is used\.\s+"
                r"Its vector is composed of those of\s+its parts, groups of 3 to 4 letters\.\s*$"
            )
        )
        expect(note.locator(".composed")).to_have_css("text-decoration-style", "dotted")
        expect(page.locator(".best p")).not_to_be_empty()
        expect(page.locator("#words-problem")).to_have_text("")
        expect(page.get_by_role("region", name="Input")).to_contain_text(
            "A word that is not among them gets a vector that is composed of those of its parts"
        )
        page.get_by_label("A word, a sum of words").fill("king")
        expect(note).to_have_text("")
        expect(page.locator(".composed")).to_have_count(0)


def test_composed_words_of_a_sum_are_marked_on_its_arrows(browser: Browser, composing: str) -> None:
    with window(browser, composing) as page:
        page.goto(f"/#/words?q={quote('kings - man + womens')}")
        expect(page.locator("#words-composed")).to_have_text(
            re.compile(
                r"^\s*kings and womens are not in the vocabulary .*how\s+these words are used.*\stheir parts, groups"
            )
        )
        expect(page.locator("svg.arrows .word .composed")).to_have_text(["kings", "womens"])
        expect(page.locator("svg.arrows .step .composed")).to_have_text(["womens"])
        legend = "kings and womens: not in the vocabulary, composed of groups of 3 to 4 letters."
        expect(page.locator("figure", has=page.locator("svg.arrows"))).to_contain_text(legend)
        page.locator("summary", has_text="What it saw").click()
        strips = page.locator(".strip")
        expect(strips.filter(has=page.locator(".composed"))).to_have_text([re.compile("^kings"), re.compile("^womens")])
        expect(page.locator(".folds .caption", has_text=legend)).to_have_count(2)


def test_composed_words_of_a_list_are_marked(browser: Browser, composing: str) -> None:
    with window(browser, composing, expected="422") as page:
        page.goto("/#/words?q=king,+queen,+Kings")
        answer = page.get_by_role("region", name="Answer")
        fits = answer.get_by_role("table", name="How well each word fits")
        expect(fits.locator(".composed")).to_have_text("Kings (composed)")
        expect(answer.locator(".best p .composed")).to_have_text("Kings (composed)")
        expect(fits.locator(".row.best")).to_contain_text("Kings")
        expect(answer).to_contain_text("Kings: not in the vocabulary, composed of groups of 3 to 4 letters.")
        page.get_by_label("A word, a sum of words").fill(f"kings, {TOO_LONG}")
        expect(answer.get_by_role("heading", name="Near kings (composed)")).to_be_visible()
        expect(answer).to_contain_text(f"Left out, as words does not know it: {TOO_LONG}.")
        expect(page.locator("#words-problem")).to_contain_text("is not in the vocabulary of words. Check how")
        expect(page.locator("#words-composed")).to_contain_text("kings is not in the vocabulary of words")


def test_a_word_that_cannot_be_composed_is_unknown(browser: Browser, composing: str) -> None:
    with window(browser, composing) as page:
        page.goto(f"/#/words?q={TOO_LONG}")
        expect(page.locator("#words-problem")).to_contain_text("is not in the vocabulary of words. Check how")
        expect(page.get_by_role("region", name="Answer")).to_contain_text("there are no nearest words")
        expect(page.locator("#words-composed")).to_have_text("")


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_composed_words_are_marked_on_the_map(browser: Browser, composing: str, method: str) -> None:
    with window(browser, composing) as page:
        # The radii of the dots that are painted: those of words are larger than those of a dotted underline.
        page.add_init_script(
            """(() => {
              const { arc } = CanvasRenderingContext2D.prototype;
              window.underlined = false;
              CanvasRenderingContext2D.prototype.arc = function (x, y, radius, ...rest) {
                window.underlined ||= radius < 2;
                return arc.call(this, x, y, radius, ...rest);
              };
            })()"""
        )
        page.goto(f"/#/words?q=king&words=queen&map={method}&around=10")
        card = page.get_by_role("region", name="Map", exact=True)
        expect(card.get_by_role("img", name="Map of 11 words")).to_be_visible()
        expect(card.locator(".composed")).to_have_count(0)
        assert page.evaluate("() => window.underlined") is False
        page.get_by_label("Words of your own on the map").fill("queen, kings")
        expect(card).to_contain_text("kings: not in the vocabulary, composed of groups of 3 to 4 letters.")
        wait_until(page, "() => window.underlined")
        page.get_by_text("The map as a table").click()
        expect(card.get_by_role("region", name="Coordinates").locator(".composed")).to_have_text("kings (composed)")


def test_composed_words_are_marked_on_an_axis(browser: Browser, composing: str) -> None:
    with window(browser, composing) as page:
        page.goto("/#/words?q=king&from=man&to=womens&on=king,+queen,+kings")
        page.get_by_text("An axis between two words").click()
        axis = page.get_by_role("table", name="Words between man and womens")
        expect(axis.locator("tbody .composed")).to_have_text("kings (composed)")
        expect(axis.locator("thead .composed")).to_have_text("womens (composed)")
        legend = "womens and kings: not in the vocabulary, composed of groups of 3 to 4 letters."
        expect(page.locator("main")).to_contain_text(legend)
        # Digits alone are composed too; a text of punctuation has no words, and so no vector.
        page.get_by_label("Words on it").fill("king, ???")
        expect(page.locator("main")).to_contain_text("“???” is not in the vocabulary of words.")
        expect(axis.locator("tbody tr")).to_have_count(1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("question", ["{} - man + womens", "king, {}, womens", "{}"])
def test_composed_words_are_accessible_on_a_phone(
    browser: Browser, composing: str, scheme: Scheme, question: str
) -> None:
    longest = "donaudampfschiff" * 8
    address = f"/#/words?q={quote(question.format(longest))}&from={longest}&to=man&on=king,+kings,+{longest[:-1]}"
    with window(browser, composing, size=SIZES["phone"], scheme=scheme) as page:
        page.goto(address)
        expect(page.locator("#words-composed .composed").first).to_be_visible()
        page.evaluate("() => document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        expect(page.locator("table.axis .composed")).to_have_count(3)
        expect(page.get_by_role("region", name="Coordinates").locator(".composed")).not_to_have_count(0)
        expect(page.locator(".strip .composed")).not_to_have_count(0)
        assert violations(page) == []
        wait_until(page, "() => document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_a_model_without_n_grams_says_nothing_of_composed_words(page: Page) -> None:
    page.goto("/#/words?q=kingg")
    expect(page.locator("#words-problem")).to_contain_text("“kingg” is not in the vocabulary of words-en")
    expect(page.get_by_role("region", name="Input")).not_to_contain_text("composed")
    page.goto("/#/words?q=king")
    expect(page.locator(".best p")).not_to_be_empty()
    expect(page.locator(".map")).to_be_visible()
    expect(page.locator(".composed")).to_have_count(0)
    expect(page.locator("#words-composed")).to_have_text("")
