"""The panel Tag: a person's path through it."""

from __future__ import annotations

import json
import re
from typing import Any

from playwright.sync_api import Browser, Page, Route, expect

from tests.page.browser import PATIENCE_MS, SIZES, violations, window

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


TAGS = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
MARGINALS = [[0.1, 0.5, 0, 0.4, 0], [0.05, 0.3, 0.15, 0.2, 0.3], [0.5, 0.3, 0.1, 0.0501, 0.0499]]
EXPLAIN: dict[str, Any] = {
    "tags": TAGS,
    "marginals": MARGINALS,
    "transitions": [
        [0.1, -0.2, None, -0.1, None],
        [0.2, -0.3, 0.4, -0.5, None],
        [0.3, -0.4, 0.5, -0.6, None],
        [-0.1, -2, None, -1, 0.5],
        [0.4, -0.5, None, -0.6, 0.7],
    ],
    "without_crf": ["B-PER", "B-LOC", "O"],
}
CONTRADICTING: dict[str, Any] = {
    "sentences": [{"start": 0, "end": 16}],
    "tokens": [
        {"text": text, "start": start, "end": start + len(text), "tag": tag, "score": score}
        for text, start, tag, score in [("Jordan", 0, "B-PER", 0.3), ("Paris", 7, "I-PER", 0.3), ("won", 13, "O", 0.5)]
    ],
    "entities": [{"text": "Jordan Paris", "label": "PER", "start": 0, "end": 12, "score": 0.2}],
    "explain": EXPLAIN,
}
"""An answer of which the most probable sequence has other tags than the tokens by themselves."""


def answer_with(page: Page, result: dict[str, Any]) -> None:
    def answer(route: Route) -> None:
        body = json.dumps({"model": "ner-en", "version": "3", "results": [result]})
        route.fulfill(body=body, content_type="application/json")

    page.route("**/v1/tag", answer)


def test_all_that_explains_an_answer_is_about_its_tags(page: Page) -> None:
    answer_with(page, CONTRADICTING)
    page.goto("/#/tag?text=Jordan+Paris+won")
    page.get_by_role("group", name="Tagged by ner-en").get_by_role("button", name="Jordan").click()
    note = "The answer is B-PER, as in the most probable sequence of tags. By itself, over all sequences, B-LOC is"
    answer = page.get_by_role("region", name="Answer")
    expect(answer).to_contain_text(note)
    expect(answer.get_by_role("table", name="Best tags of Jordan").locator(".best")).to_have_text("B-PER40.0 %")
    why = page.locator(".why")
    expect(why.get_by_role("table", name="Probability of every tag").locator(".best")).to_have_text("B-PER40.0 %")
    expect(why).to_contain_text("What may follow B-PER")
    expect(why).to_contain_text("Without the CRF it would be B-PER too.")
    expect(why).to_contain_text("The CRF changes 1 of 3 tags.")
    rows = why.get_by_role("region", name="Tags with and without the CRF").locator("tbody tr")
    expect(rows.nth(0).locator("td")).to_have_text(["B-PER", "I-PER", "O"])
    expect(rows.nth(1).locator("td")).to_have_text(["B-PER", "B-LOC, differs", "O"])
    page.get_by_role("group", name="Tagged by ner-en").get_by_role("button", name="won").click()
    expect(answer.get_by_role("table", name="Best tags of won").locator(".row")).to_have_count(3)
    expect(answer).not_to_contain_text("The answer is")


def test_an_answered_tag_is_among_the_best_even_if_others_are_more_probable(page: Page) -> None:
    tokens = [*CONTRADICTING["tokens"][:2], {**CONTRADICTING["tokens"][2], "tag": "I-PER", "score": 0.0499}]
    answer_with(page, {**CONTRADICTING, "tokens": tokens})
    page.goto("/#/tag?text=Jordan+Paris+won")
    won = page.get_by_role("group", name="Tagged by ner-en").get_by_role("button", name="won")
    won.focus()
    expect(won).to_have_accessible_description("won, tagged I-PER: O 50.0 %, B-LOC 30.0 %, I-LOC 10.0 %, I-PER 5.0 %")


def test_what_cannot_follow_a_tag_has_no_score_and_bars_begin_at_zero(page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")  # Bars do not glide.
    answer_with(page, CONTRADICTING)
    page.goto("/#/tag?text=Jordan+Paris+won")
    page.get_by_role("group", name="Tagged by ner-en").get_by_role("button", name="Jordan").click()
    transitions = page.get_by_role("region", name="Transitions", exact=True)
    rows = transitions.get_by_role("table", name="Transition scores", exact=True).locator(".row")
    expect(rows).to_have_text(["I-PER0.500", "O\u22120.100", "B-PER\u22121.00", "B-LOC\u22122.00"])
    expect(transitions).to_contain_text("I-LOC cannot follow.")
    tracks = rows.locator(".track").evaluate_all(
        """(tracks) => tracks.map((track) => {
          const [all, bar] = [track, track.firstElementChild].map((each) => each.getBoundingClientRect());
          return [bar.left, bar.right].map((at) => (at - all.left) / all.width);
        })"""
    )
    zero = 2 / 2.5
    expected = [(zero, 1), (zero - 0.1 / 2.5, zero), (zero - 1 / 2.5, zero), (0, zero)]
    for found, (left, right) in zip(tracks, expected, strict=True):
        assert abs(found[0] - left) < 0.02
        assert abs(found[1] - right) < 0.02


def test_a_table_that_is_wider_than_a_phone_scrolls_by_itself(browser: Browser, url: str) -> None:
    with window(browser, url, size=SIZES["phone"]) as page:
        tokens = [{**token, "text": token["text"] * 4} for token in CONTRADICTING["tokens"]]
        answer_with(
            page, {**CONTRADICTING, "tokens": tokens, "explain": {**EXPLAIN, "without_crf": ["O", "O", "B-LOC"]}}
        )
        page.goto("/#/tag?text=Jordan+Paris+won")
        table = page.get_by_role("region", name="Tags with and without the CRF")
        expect(table.locator(".differs")).to_have_count(3)
        assert table.evaluate("(region) => region.scrollWidth > region.clientWidth")
        assert page.evaluate("() => document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_labels_of_the_network_that_the_answer_merges_are_named(page: Page) -> None:
    page.goto("/#/tag?text=Ada+lived+in+London.")
    why = page.locator(".why")
    expect(why).to_contain_text("The network itself has 13 labels")
    expect(why).to_contain_text("E- counts as I-, and S- as B-")
    page.goto("/#/tag?model=pos-en&text=She+sings.")
    expect(why).to_contain_text("What may follow")
    expect(why).not_to_contain_text("The network itself has")


def test_a_text_too_long_to_be_explained_is_tagged_and_the_next_is_explained(browser: Browser, url: str) -> None:
    with window(browser, url, expected="422") as page:
        page.goto("/#/tag?model=pos-en&text=She+sings.")
        expect(page.get_by_role("region", name=re.compile("^All tags of"))).to_be_visible()
        text = page.get_by_label("Text", exact=True)
        held: list[Route] = []
        page.route(
            "**/v1/tag",
            lambda route: route.fallback() if route.request.post_data_json.get("explain") else held.append(route),
        )
        with page.expect_request(lambda request: "explain" not in (request.post_data or "explain")):
            text.fill("She sings.\n" * 400)
        expect(page.locator(".waiting")).to_have_text("pos-en is reading …")
        expect(page.locator(".stale .word").first).to_be_visible()  # of the last text
        expect(page.locator(".problem")).to_have_count(0)
        page.unroute("**/v1/tag")
        held[0].fallback()
        expect(page.locator(".folds")).to_contain_text("This text is too long to be explained")
        expect(page.locator(".marked .word")).to_have_count(1200)
        expect(page.locator("#tag-problem")).to_have_count(0)
        text.fill("He sings.")
        expect(page.get_by_role("region", name=re.compile("^All tags of"))).to_be_visible()


def test_of_a_long_text_only_what_is_near_the_screen_is_drawn(browser: Browser, url: str) -> None:
    with window(browser, url, expected="422") as page:  # It is too long to be explained.
        page.goto("/#/tag?model=pos-en&text=She+sings.")
        marked = page.get_by_role("group", name="Tagged by pos-en")
        expect(marked).to_contain_text("sings")
        text = page.get_by_label("Text", exact=True)
        text.fill("Ada met Bob in old Paris. " * 3_400)
        expect(page.locator(".folds")).to_contain_text("This text is too long to be explained")
        expect(marked).to_contain_text("Ada met Bob in old Paris. Ada met")
        assert marked.inner_text().count("Paris") == 3_400
        words = marked.locator(".word")
        assert 400 <= words.count() < 4_000
        last = marked.locator(f"[data-word='{3_400 * 7 - 1}']")
        expect(last).to_have_count(0)
        page.mouse.move(700, 400)
        marked.locator("[data-block]").last.evaluate("(block) => block.scrollIntoView({ block: 'end' })")
        expect(last).to_have_text(".")
        assert words.count() < 4_000
        last.click()
        expect(last).to_have_attribute("aria-pressed", "true")
        expect(page.locator(".correct select option")).to_have_count(400)
        # A key that is typed draws nothing again until it is answered.
        text.focus()
        expect(marked.locator("[data-word='0']")).to_have_count(1)
        expect(last).to_have_count(0)
        page.evaluate(
            """() => {
              window.changes = 0;
              new MutationObserver((all) => { window.changes += all.length; })
                .observe(document.querySelector('.marked'), { subtree: true, childList: true });
            }"""
        )
        with page.expect_request("**/v1/tag"):
            text.press("!")
            assert page.evaluate("() => window.changes") == 0


def test_a_name_at_the_end_of_a_block_is_not_cut(page: Page) -> None:
    page.goto("/")
    call = """async () => (await import('/page/panels/tag/blocks.js')).blocksOf(
      Array.from({ length: 450 }, (_, index) => ({ start: index * 2, end: index * 2 + 1 })),
      [{ start: 4, end: 7 }, { start: 396, end: 405 }, { start: 804, end: 807 }])"""
    assert page.evaluate(call) == [{"first": 0, "end": 203}, {"first": 203, "end": 404}, {"first": 404, "end": 450}]


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
