"""The panel Tag: a person's path through it."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.page.browser import PATIENCE_MS

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
