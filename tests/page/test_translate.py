"""The panel Translate: a person's path through it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.page.browser import PATIENCE_MS, SIZES, violations, window
from tests.support.processes import ROOT, environment, server

expect.set_options(timeout=PATIENCE_MS)


def test_a_text_is_translated_as_it_is_typed(page: Page) -> None:
    page.goto("/#/translate?text=Good+morning!")
    translation = page.get_by_label("Translation", exact=True)
    expect(translation).to_have_text("Guten Morgen!")
    page.get_by_label("English").fill("Good morning! The dog sleeps.")
    expect(translation).to_contain_text("Der Hund schläft")
    expect(page.locator(".alternatives li")).to_have_count(2)


def test_a_word_shows_what_it_attended_to_both_ways(page: Page) -> None:
    page.goto("/#/translate?text=The+dog+sleeps.")
    page.get_by_role("group", name="Translation, sentence 1").get_by_role("button", name="Hund").hover()
    expect(page.locator(".attention")).to_contain_text(re.compile("“Hund” attended to “dog”"))
    page.get_by_role("group", name="Source, sentence 1").get_by_role("button", name="dog").focus()
    expect(page.locator(".attention")).to_contain_text(re.compile("“dog” was attended to by “Hund”"))
    expect(page.locator(".attention")).to_contain_text("100 % of its own")
    expect(page.get_by_role("region", name="Attention of the translation").locator("tbody tr")).to_have_count(5)
    expect(page.get_by_role("group", name="Translation, sentence 1").get_by_role("button")).to_have_text(
        ["Der", "Hund", "schläft", "."]
    )


def test_a_tap_holds_a_word_until_it_or_another_is_tapped(browser: Browser, url: str) -> None:
    with window(browser, url, size=SIZES["phone"], touch=True) as page:
        page.goto("/#/translate?text=The+dog+sleeps.")
        group = page.get_by_role("group", name="Translation, sentence 1")
        hund, der = group.get_by_role("button", name="Hund"), group.get_by_role("button", name="Der")
        status = page.locator(".attention").get_by_role("status")
        expect(status).to_contain_text("choose it (tap on a phone)")
        hund.tap()
        expect(status).to_contain_text("“Hund” attended to “dog”")
        expect(hund).to_have_attribute("aria-pressed", "true")
        der.tap()
        expect(status).to_contain_text("“Der” attended to")
        expect(hund).to_have_attribute("aria-pressed", "false")
        page.get_by_role("heading", name="Why").evaluate("(heading) => heading.scrollIntoView()")
        expect(der).to_have_attribute("aria-pressed", "true")
        der.tap()
        expect(status).to_contain_text("Point at a word")
        expect(der).to_have_attribute("aria-pressed", "false")


def test_a_click_holds_a_word_when_the_mouse_leaves(page: Page) -> None:
    page.goto("/#/translate?text=The+dog+sleeps.")
    hund = page.get_by_role("group", name="Translation, sentence 1").get_by_role("button", name="Hund")
    status = page.locator(".attention").get_by_role("status")
    hund.hover()
    expect(status).to_contain_text("“Hund” attended to")
    page.get_by_label("English").hover()
    expect(status).to_contain_text("Point at a word")
    hund.click()
    page.get_by_role("group", name="Source, sentence 1").get_by_role("button", name="dog").hover()
    expect(status).to_contain_text("“dog” was attended to by")
    page.get_by_label("English").hover()
    expect(status).to_contain_text("“Hund” attended to")
    expect(hund).to_have_attribute("aria-pressed", "true")
    hund.click()
    expect(status).to_contain_text("Point at a word")
    hund.press("Enter")
    page.get_by_label("English").focus()
    expect(status).to_contain_text("“Hund” attended to")


def test_words_that_a_sentence_has_twice_are_told_apart(page: Page) -> None:
    page.goto("/#/translate?text=I+went+to+the+bank+and+sat+on+the+bank+of+the+river.")
    source = page.get_by_role("group", name="Source, sentence 1")
    source.get_by_role("button", name="bank").last.focus()
    expect(page.locator(".attention")).to_contain_text("“bank” (word 10) was attended to by")


def test_the_languages_are_swapped_with_the_translation_as_the_text(page: Page) -> None:
    page.goto("/#/translate?text=Good+morning!")
    expect(page.get_by_label("Translation", exact=True)).to_have_text("Guten Morgen!")
    page.get_by_role("button", name="German to English").click()
    expect(page.get_by_label("German")).to_have_value("Guten Morgen!")
    expect(page.get_by_label("Translation", exact=True)).to_contain_text("Good morning")
    page.go_back()
    expect(page.get_by_label("English")).to_have_value("Good morning!")


def test_a_text_in_the_other_language_is_offered_the_other_direction_and_stays(page: Page) -> None:
    page.goto("/#/translate?text=Good+morning!")
    text = "Ich habe meine Brille zu Hause gelassen."
    page.get_by_label("English").fill(text)
    offer = page.get_by_role("button", name="This looks like German. Translate German to English instead?")
    expect(offer).to_be_visible()
    assert violations(page) == []
    offer.click()
    expect(page.get_by_label("German")).to_have_value(text)
    expect(page.get_by_label("Translation", exact=True)).to_contain_text("glasses")
    expect(page.get_by_role("button", name="This looks like")).to_have_count(0)
    page.go_back()
    expect(page.get_by_label("English")).to_have_value(text)
    expect(offer).to_be_visible()
    page.get_by_role("button", name="German to English", exact=True).click()
    expect(page.get_by_label("German")).to_have_value(text)


@pytest.mark.parametrize("text", ["I saw her duck.", "Angela Merkel in Berlin", "Où est la bibliothèque municipale ?"])
def test_a_text_that_is_not_surely_in_the_other_language_has_no_offer(page: Page, text: str) -> None:
    with page.expect_response("**/detect") as answered:
        page.goto(f"/#/translate?text={text}")
    assert answered.value.ok
    expect(page.get_by_label("Translation", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="This looks like")).to_have_count(0)


def test_a_text_that_is_not_translated_yet_stays_when_the_direction_is_turned(page: Page) -> None:
    page.goto("/#/translate?text=Good+morning!")
    expect(page.get_by_label("Translation", exact=True)).to_have_text("Guten Morgen!")
    page.route("**/v1/translate", lambda route: None)
    page.get_by_label("English").fill("I sleep.")
    page.get_by_role("button", name="German to English").click()
    expect(page.get_by_label("German")).to_have_value("I sleep.")


def test_the_search_is_a_tree(page: Page) -> None:
    page.goto("/#/translate?text=The+dog+sleeps.")
    page.locator("summary", has_text="The search as a tree").click()
    expect(page.locator(".tree g.chosen text:not(.score)")).to_have_text(["Der", "Hund", "schläft", ".", "■"])
    page.get_by_text("The tree as a table").click()
    expect(page.get_by_role("region", name="Hypotheses of sentence 1")).to_contain_text("Der Hund schläft")


@pytest.mark.parametrize(
    "text", ["I saw her duck.", "She plays the piano and he plays chess.", "I sleep. He eats bread."]
)
def test_the_tree_has_every_alternative_and_shows_the_chosen_one(page: Page, text: str) -> None:
    page.goto(f"/#/translate?text={text}")
    page.locator("summary", has_text="The search as a tree").click()
    expect(page.locator(".tree g.chosen")).not_to_have_count(0)
    alternatives = page.locator(".alternatives li button")
    expect(alternatives).to_have_count(2)
    translation = page.get_by_label("Translation", exact=True).inner_text()
    for alternative in alternatives.all():
        assert alternative.inner_text() != translation
        alternative.click()
        expect(alternative).to_have_attribute("aria-pressed", "true")
        expect(page.locator(".tree g.compared text").last).to_be_visible()
        path = " ".join(page.locator(".tree g.compared text:not(.score)").all_text_contents())
        assert path.endswith("■")
        words = re.findall(r"\w+", alternative.inner_text())
        assert re.sub(r"\W", "", path) in "".join(words)
    alternatives.last.click()
    expect(page.locator(".tree g.compared")).to_have_count(0)


def test_a_wide_tree_scrolls_to_the_fork_and_back_for_another_sentence(browser: Browser, url: str) -> None:
    with window(browser, url, size=SIZES["phone"]) as page:
        page.goto("/#/translate?text=She plays the piano and he plays chess.")
        page.locator("summary", has_text="The search as a tree").click()
        tree = page.get_by_role("region", name="Search tree of sentence 1")
        expect(tree.locator("g.chosen")).not_to_have_count(0)
        assert tree.evaluate("(box) => box.scrollLeft") == 0
        expect(page.locator("main")).to_contain_text("scroll it sideways")
        alternatives = page.locator(".alternatives li button")
        expect(alternatives).to_have_count(2)
        scrolled = 0
        for alternative in alternatives.all():
            alternative.click()
            fork = tree.locator("g.compared:not(.chosen)").first
            expect(fork).to_be_visible()
            left, right, x = tree.evaluate(
                """(box) => [box.getBoundingClientRect().left, box.getBoundingClientRect().right,
                    box.querySelector('g.compared:not(.chosen) text').getBoundingClientRect().left]"""
            )
            assert left <= x < right
            scrolled = max(scrolled, tree.evaluate("(box) => box.scrollLeft"))
        assert scrolled > 0
        tree.evaluate("(box) => { box.scrollLeft = 200; }")
        page.get_by_label("English").fill("He plays the piano and she plays chess.")
        expect(page.get_by_label("Translation", exact=True)).to_contain_text("Er spielt")
        expect(tree.locator("g.chosen text:not(.score)").first).to_have_text("Er")
        assert tree.evaluate("(box) => box.scrollLeft") == 0


def test_a_chosen_alternative_shows_what_its_own_words_attended_to(page: Page) -> None:
    page.goto("/#/translate?text=The dog sleeps. She plays the piano and he plays chess.")
    alternative = page.locator(".alternatives li button").first
    translation = page.get_by_label("Translation", exact=True).inner_text()
    expect(page.get_by_role("group", name=re.compile("^Translation, sentence"))).to_have_count(2)
    page.get_by_role("group", name="Translation, sentence 2").get_by_role("button").first.hover()
    alternative.click()
    other = page.get_by_role("group", name=re.compile("^Alternative, sentence"))
    expect(other).to_have_count(1)
    number = (other.get_attribute("aria-label") or "")[-1]
    expect(page.locator("main")).to_contain_text(f"Sentence {number} is that of the alternative that you chose")
    words = "".join(other.get_by_role("button").all_text_contents())
    assert words in re.sub(r"\s", "", alternative.inner_text())
    assert words not in re.sub(r"\s", "", translation)
    word = other.get_by_role("button").first
    word.hover()
    expect(page.locator(".attention", has=other)).to_contain_text(re.compile(f"“{word.inner_text()}” attended to “"))
    table = page.get_by_role(
        "region",
        name=f"Attention of the alternative's subwords (rows) to those of the source (columns), sentence {number}",
    )
    expect(table.locator("tbody tr")).not_to_have_count(0)
    assert violations(page) == []
    alternative.click()
    expect(other).to_have_count(0)
    expect(page.get_by_role("group", name=re.compile("^Translation, sentence"))).to_have_count(2)


def test_a_correction_begins_with_the_chosen_alternative_and_keeps_what_was_written(page: Page) -> None:
    page.goto("/#/translate?text=I saw her duck.")
    alternatives = page.locator(".alternatives li button")
    expect(alternatives).to_have_count(2)
    page.get_by_text("Wrong? Write a better one").click()
    better = page.get_by_label("A better translation")
    expect(better).to_have_value(page.get_by_label("Translation", exact=True).inner_text())
    alternatives.first.click()
    expect(better).to_have_value(alternatives.first.inner_text())
    better.fill("Ich sah ihre Ente!")
    alternatives.last.click()
    expect(alternatives.last).to_have_attribute("aria-pressed", "true")
    expect(better).to_have_value("Ich sah ihre Ente!")
    page.get_by_label("English").fill("I sleep.")
    expect(better).to_have_value(re.compile("schlafe"))


def test_no_piece_is_without_a_sign(page: Page) -> None:
    pieces = ["▁I", "▁", "(", "saw", "▁well", "-", "known", "!", "?", ")", "▁.", "▁", "<unk>", "</s>"]
    page.goto("/")
    words = page.evaluate(
        "async (pieces) => (await import('/page/panels/translate/pieces.js')).wordsOf(pieces).map(({ text }) => text)",
        pieces,
    )
    assert words == ["I", "(", "saw", "well-known", "!?)", ".", "▢"]
    signs = page.evaluate(
        "async (pieces) => pieces.map((await import('/page/panels/translate/pieces.js')).readable)", pieces
    )
    assert "" not in signs
    assert [signs[1], signs[-2], signs[-1]] == ["␣", "▢", "■"]


def test_what_was_copied_is_underlined_and_named(page: Page) -> None:
    page.goto("/#/translate?text=I+like+🚀+and+Ada+Lovelace+paid+1,250+euros.")
    translation = page.get_by_label("Translation", exact=True)
    expect(translation.locator("u")).to_have_text(["🚀", "Ada Lovelace", "1.250"])
    expect(page.locator(".answer")).to_contain_text("Underlined, not translated: “🚀”, “Ada Lovelace”, “1.250”.")
    page.get_by_label("English").fill("I sleep.")
    expect(translation).to_contain_text("schlafe")
    expect(translation.locator("u")).to_have_count(0)
    expect(page.locator(".answer")).not_to_contain_text("Underlined")


def test_what_came_back_as_it_was_is_named_with_its_reason(page: Page) -> None:
    page.goto("/#/translate?text=Xqzzk+fpwq+zrt.")
    expect(page.locator(".answer")).to_contain_text("Given back as it was: Xqzzk fpwq zrt. (another language)")


def test_a_text_beyond_the_limit_is_refused_beside_its_field(browser: Browser, url: str) -> None:
    with window(browser, url, expected="422") as page:
        page.goto("/#/translate?text=Good")
        expect(page.get_by_label("Translation", exact=True)).to_be_visible()
        page.get_by_label("English").fill("good " * 2_100)
        expect(page.locator("#translate-problem")).to_contain_text("10000")
        expect(page.get_by_label("English")).to_have_attribute("aria-invalid", "true")


def test_an_error_of_the_text_stands_there_once(browser: Browser, url: str) -> None:
    with window(browser, url, expected="422") as page:
        page.goto("/#/translate?text=Good")
        page.locator("summary", has_text="The search as a tree").click()
        expect(page.locator(".tree g.chosen")).not_to_have_count(0)
        page.get_by_label("English").fill("good " * 2_100)
        expect(page.locator("#translate-problem")).to_contain_text("10000")
        expect(page.get_by_role("alert")).to_have_count(1)


def test_the_call_of_the_search_is_there_as_code(page: Page) -> None:
    page.goto("/#/translate?text=Good morning.")
    expect(page.locator(".translation")).to_contain_text("Guten")
    page.locator("summary", has_text="As code").click()
    expect(page.get_by_label("Program").filter(has_text='"beam":true')).to_have_count(1)


def test_of_a_long_text_an_alternative_is_what_differs_and_the_search_is_too_long_to_show(
    browser: Browser, url: str
) -> None:
    with window(browser, url, expected="422") as page:  # of the search
        page.goto("/#/translate?text=Good+morning.")
        expect(page.locator(".translation")).to_contain_text("Guten")
        page.locator("summary", has_text="The search as a tree").click()
        page.get_by_label("English").fill("The quick dog sleeps in the old house near the river. " * 100)
        alternative = page.locator(".alternatives li button").first
        expect(alternative).to_contain_text("…")
        assert len(alternative.inner_text()) < 200
        alternative.click()
        expect(page.get_by_role("group", name=re.compile("^Alternative, sentence"))).to_have_count(1)
        expect(page.locator("main")).to_contain_text("This text is too long for its search to be shown")
        expect(page.get_by_role("alert")).to_have_count(0)


def test_what_differs_begins_and_ends_with_whole_words(page: Page) -> None:
    page.goto("/")
    text, other = (
        "eins zwei drei " * 20 + "vier" + " fünf sechs" * 20,
        "eins zwei drei " * 20 + "vierzig" + " fünf sechs" * 20,
    )
    short = page.evaluate(
        "async ([a, b]) => (await import('/page/panels/translate/difference.js')).differenceOf(a, b)", [other, text]
    )
    assert short.startswith("… ")
    assert short.endswith(" …")
    assert "drei vierzig fünf" in short
    assert set(short.split()) == {"…", "eins", "zwei", "drei", "vierzig", "fünf", "sechs"}


def test_a_model_without_attention_is_shown_without_it(browser: Browser, program: Path, tmp_path: Path) -> None:
    python = str(program.parent / "python")
    write = (
        "from pathlib import Path; from tests.support.translator_bundles import write_translator; "
        f"write_translator(Path({str(tmp_path)!r}), attention=False)"
    )
    subprocess.run([python, "-c", write], cwd=ROOT, env=environment(PYTHONPATH=str(ROOT)), check=True)
    with (
        server(tmp_path, python=python, program=(str(program), "serve")) as process,
        window(browser, process.wait_for("serving")["address"]) as page,
    ):
        page.goto("/#/translate?text=The dog sleeps.")
        expect(page.get_by_label("Translation", exact=True)).to_have_text("Der Hund schläft.")
        expect(page.locator("main")).to_contain_text("translate-en-de has no attention")
        page.locator("summary", has_text="The search as a tree").click()
        page.locator(".alternatives li button").first.click()
        expect(page.locator(".tree g.compared text").last).to_be_visible()
