"""The panel Tag: a person's path through it."""

from __future__ import annotations

import re

from playwright.sync_api import Browser, Page, expect

from tests.page.browser import PATIENCE_MS, violations, window

expect.set_options(timeout=PATIENCE_MS)


def test_names_are_marked_where_they_stand(page: Page) -> None:
    page.goto("/#/tag?text=" + "🚀 Ada Lovelace lived in London.")
    marked = page.get_by_role("group", name="Tagged by ner-en")
    expect(marked.locator(".span")).to_have_text(["Ada LovelacePER", "LondonLOC"])
    expect(marked).to_have_text("🚀 Ada LovelacePER lived in LondonLOC.")


def test_every_word_has_its_part_of_speech(page: Page) -> None:
    page.goto("/#/tag?model=pos-en&text=She+sings.")
    expect(page.get_by_role("group", name="Tagged by pos-en").locator(".span")).to_have_text(
        ["ShePRON", "singsVERB", ".PUNCT"]
    )


def test_words_that_are_several_are_shown_once(page: Page) -> None:
    page.goto("/#/tag?model=pos-fr&text=Il+parle+du+chat.")
    expect(page.get_by_role("group", name="Tagged by pos-fr")).to_have_text(
        "IlPRON parleVERB duADP + DET chatNOUN.PUNCT"
    )


def test_a_word_shows_its_best_tags_at_once(page: Page) -> None:
    page.goto("/#/tag?model=pos-fr&text=Il+parle+du+chat.")
    marked = page.get_by_role("group", name="Tagged by pos-fr")
    expect(marked).to_contain_text("duADP + DET")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    tooltip = page.get_by_role("tooltip").filter(has=page.locator(".bars"))
    marked.get_by_role("button", name="parle").hover()
    expect(tooltip.locator(".row")).to_have_count(3)
    expect(tooltip.locator(".row").first).to_contain_text("VERB")
    tooltip.hover()
    expect(tooltip.get_by_role("table", name="Best tags of parle")).to_be_visible()
    marked.get_by_role("button", name="du").hover()
    expect(tooltip.get_by_role("table")).to_have_count(2)
    page.mouse.move(0, 0)
    expect(tooltip).to_have_count(0)
    chat = marked.get_by_role("button", name="chat")
    chat.focus()
    expect(chat).to_have_accessible_description(re.compile(r"^chat: NOUN 9\d"))
    expect(tooltip.locator(".row")).to_have_count(3)
    assert violations(page) == []
    chat.press("Escape")
    expect(tooltip).to_have_count(0)
    chat.press("Enter")
    expect(page.get_by_role("region", name="All tags of chat")).to_be_visible()
    assert not asked, "what is shown was in the answer"


def test_a_text_too_long_to_be_explained_is_tagged_and_the_next_is_explained(browser: Browser, url: str) -> None:
    with window(browser, url, expected="422") as page:
        page.goto("/#/tag?model=pos-en&text=She+sings.")
        expect(page.get_by_role("region", name=re.compile("^All tags of"))).to_be_visible()
        text = page.get_by_label("Text", exact=True)
        text.fill("She sings.\n" * 400)
        expect(page.locator(".folds")).to_contain_text("This text is too long to be explained")
        expect(page.locator(".marked .word")).to_have_count(1200)
        expect(page.locator("#tag-problem")).to_have_count(0)
        text.fill("He sings.")
        expect(page.get_by_role("region", name=re.compile("^All tags of"))).to_be_visible()


def test_two_models_stand_side_by_side(page: Page) -> None:
    page.goto("/#/tag?text=Ada+lived+in+London.")
    page.get_by_label("Compare with").select_option("pos-en")
    expect(page.get_by_role("group", name="Tagged by ner-en")).to_contain_text("LOC")
    expect(page.get_by_role("group", name="Tagged by pos-en")).to_contain_text("PROPN")
    expect(page).to_have_url(re.compile("beside=pos-en"))


def test_a_text_that_is_typed_is_tagged_while_the_last_answer_stays(page: Page) -> None:
    page.goto("/#/tag?text=Ada")
    expect(page.get_by_role("group", name="Tagged by ner-en")).to_contain_text("Ada")
    text = page.get_by_label("Text", exact=True)
    text.press("End")
    text.press_sequentially(" met Grace Hopper in Paris", delay=20)
    expect(page.get_by_role("group", name="Tagged by ner-en")).to_contain_text("Grace HopperPER in ParisLOC")
    text.fill("")
    expect(page.locator(".answer")).to_contain_text("Write a text")
