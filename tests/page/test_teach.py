"""The panel Teach: wrong answers are corrected, saved in the browser, and downloaded as the training reads them."""

from __future__ import annotations

import json
import re
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.page.browser import PATIENCE_MS, SIZES, Scheme, violations, window
from tests.page.correcting import correct, save_label
from tests.support.processes import ROOT, environment

expect.set_options(timeout=PATIENCE_MS)

HEIC = ROOT / "tests/data/heic/ten_bits.heic"
ADA = "Ada Lovelace met Paris Hilton. She sang."


def download(page: Page, folder: Path) -> Path:
    """Download the only model's corrections in the panel Teach."""
    page.goto("/#/teach")
    with page.expect_download() as started:
        page.get_by_role("link", name="Download").click()
    path = folder / started.value.suggested_filename
    started.value.save_as(path)
    return path


def read(program: Path, code: str, path: Path) -> Any:
    """What a reader of the training, in the server's environment, makes of a file."""
    script = f"import json, sys; from pathlib import Path; path = Path(sys.argv[1])\n{code}"
    command = [program.parent / "python", "-c", script, path]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


_PICTURES = """
from service.tasks.image_classification.preprocessing import ImagePreprocessing, decode_image, normalize
ways = ImagePreprocessing(normalizer="mnist", height=28, width=28)
pictures = [normalize(decode_image(each.read_bytes()), ways) for each in sorted(path.rglob("*.png"))]
print(json.dumps([float(abs(picture).sum()) for picture in pictures]))
"""
_COLUMNS = """
from training.bilstm_crf.data.conll import read_table
from training.bilstm_crf.data.raw_text import read_raw_sentences
lines = path.read_text().split("\\n")
table = read_table(lines, path.name)
column = table.column("upos" if path.suffix == ".conllu" else "-1")
words = [[[row.cells[table.word], table.tag(row, column)] for row in rows] for rows in table.sentences]
raw = read_raw_sentences(lines, [rows[0].line for rows in table.sentences]) if path.suffix == ".conllu" else {}
cut = [[[each.text[token.start:token.end], list(token.words)] for token in each.tokens] for each in raw.values()]
spaces = [[each.space_after, each.starts_paragraph] for each in raw.values()]
assert not table.faults
print(json.dumps([words, cut, spaces]))
"""
_PAIRS = """
from training.seq2seq.data.tables import read_table
print(json.dumps(read_table(path.read_text().split("\\n")[:-1], path.name, languages=("en", "de")).pairs))
"""


def test_corrected_drawings_are_folders_named_by_label(page: Page, program: Path, tmp_path: Path) -> None:
    save_label(page, "seven", "7", "1")
    save_label(page, "seven", "7", "2")  # the same drawing: the last choice counts
    save_label(page, "three", "3", "3")
    page.goto("/#/teach")
    expect(page.get_by_role("region", name="digits")).to_contain_text("2 answers corrected to “2” once, “3” once")
    expect(page.get_by_role("region", name="digits")).to_contain_text("at least two pictures of one label")
    expect(page.get_by_label("Commands")).to_contain_text(
        'make train-lenet ARGS="--data digits-corrections --name digits-corrections"'
    )
    region = page.get_by_role("region", name="digits")
    expect(region).to_contain_text("lectern-train lenet train …")
    expect(region).to_contain_text("a new model, the folder models/digits-corrections")
    expect(region.get_by_role("link", name="Models")).to_have_attribute("href", "#/models")
    path = download(page, tmp_path)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == ["digits-corrections/2/0001.png", "digits-corrections/3/0001.png"]
        archive.extractall(tmp_path)
    assert all(ink > 10 for ink in read(program, _PICTURES, tmp_path / "digits-corrections"))


def open_heic(page: Page, name: str) -> None:
    """Open a photograph whose type the browser does not name, and wait until it is read."""
    page.goto("/#/draw?drawing=")
    page.get_by_label("A picture from a file").set_input_files(
        {"name": name, "mimeType": "", "buffer": HEIC.read_bytes()}
    )
    expect(page.locator(".predictions .reading output")).to_have_text("7")
    correct(page, "Wrong? Choose the right one")


@pytest.mark.parametrize("name", ["photo.HEIC", "photo", "photo.png"])
def test_a_photograph_that_the_browser_cannot_read_is_saved_as_what_its_bytes_say(
    page: Page, tmp_path: Path, name: str
) -> None:
    open_heic(page, name)
    page.locator(".correct").get_by_role("button", name="7", exact=True).click()
    expect(page.locator(".correct [role=status]")).to_have_text("Saved in this browser as 7.")
    with zipfile.ZipFile(download(page, tmp_path)) as archive:
        assert archive.namelist() == ["digits-corrections/7/0001.heic"]
        assert archive.read("digits-corrections/7/0001.heic") == HEIC.read_bytes()


def test_corrected_names_are_words_and_tags(page: Page, program: Path, tmp_path: Path) -> None:
    page.goto(f"/#/tag?model=ner-en&text={ADA}")
    expect(page.get_by_role("group", name="Tagged by ner-en")).to_contain_text("Ada LovelacePER")
    correct(page, "Wrong?")
    control = page.locator(".correct")
    control.get_by_label("Word").select_option(label="Ada · B-PER")
    expect(control).to_contain_text("For the whole name “Ada Lovelace”")
    control.get_by_role("button", name="ORG").click()
    expect(control).to_contain_text("Changed: Ada: B-ORG, Lovelace: I-ORG.")
    page.get_by_role("group", name="Tagged by ner-en").get_by_role("button", name="sang").click()
    control.get_by_role("button", name="LOC").click()
    control.get_by_role("button", name="Save these tags").click()
    expect(control.get_by_role("status")).to_have_text("Saved in this browser.")
    words, *_ = read(program, _COLUMNS, download(page, tmp_path))
    assert [word for word, _ in words[0]] == ["Ada", "Lovelace", "met", "Paris", "Hilton", "."]
    assert words[0][:2] == [["Ada", "B-ORG"], ["Lovelace", "I-ORG"]]
    assert words[1:] == [[["She", "O"], ["sang", "B-LOC"], [".", "O"]]]


def test_corrected_parts_of_speech_are_a_treebank_with_its_text(page: Page, program: Path, tmp_path: Path) -> None:
    page.goto("/#/tag?model=pos-fr&text=Il parle du chat. Oui.")
    expect(page.get_by_role("group", name="Tagged by pos-fr")).to_contain_text("du")
    correct(page, "Wrong?")
    page.locator(".correct").get_by_label("Word").select_option(label="Oui · PRON")
    page.locator(".correct").get_by_role("button", name="INTJ").click()
    page.locator(".correct").get_by_role("button", name="Save these tags").click()
    expect(page.locator(".correct [role=status]")).to_have_text("Saved in this browser.")
    words, cut, spaces = read(program, _COLUMNS, download(page, tmp_path))
    assert words[0][2:4] == [["de", "ADP"], ["le", "DET"]]
    assert words[1] == [["Oui", "INTJ"], [".", "PUNCT"]]
    assert cut[0] == [["Il", []], ["parle", []], ["du", ["de", "le"]], ["chat", []], [".", []]]
    assert spaces == [[True, True], [True, False]]


def test_better_translations_are_pairs(page: Page, program: Path, tmp_path: Path) -> None:
    page.goto("/#/translate?model=translate-en-de&text=Good morning.")
    expect(page.locator(".translation")).to_contain_text("Guten")
    correct(page, "Wrong?")
    page.get_by_label("A better translation").fill('Einen "guten"\tMorgen.')
    page.get_by_role("button", name="Save this translation").click()
    expect(page.locator(".correct [role=status]")).to_have_text("Saved in this browser.")
    path = download(page, tmp_path)
    assert read(program, _PAIRS, path) == [["Good morning.", 'Einen "guten" Morgen.']]
    expect(page.get_by_label("Commands")).to_contain_text(
        f'make train-seq2seq ARGS="--train {path.name} --source en --target de --name translate-en-de-corrections"'
    )


def test_what_was_saved_stays_until_it_is_deleted(page: Page) -> None:
    save_label(page, "seven", "7", "1")
    page.get_by_role("button", name="Delete").click()
    expect(page.locator(".correct [role=status]")).to_have_text("Deleted.")
    save_label(page, "seven", "7", "4")
    page.goto("about:blank")
    page.goto("/#/teach")
    expect(page.get_by_role("region", name="digits")).to_contain_text("1 answer corrected to “4”")
    page.get_by_role("button", name="Delete all").click()
    page.get_by_role("button", name="Delete", exact=True).first.click()
    expect(page.locator(".teach .empty")).to_have_text("Nothing is saved yet.")


def test_a_browser_that_saves_nothing_says_so(browser: Browser, url: str) -> None:
    with window(browser, url) as page:
        page.add_init_script("Object.defineProperty(window, 'indexedDB', { get() { throw new Error('denied'); } })")
        page.goto("/#/draw")
        expect(page.locator(".predictions .reading output")).to_have_text("3")
        correct(page, "Wrong?")
        page.locator(".correct").get_by_role("button", name="8", exact=True).click()
        expect(page.locator(".correct [role=status]")).to_contain_text("This browser saves nothing for this page")
        page.goto("/#/teach")
        expect(page.get_by_role("alert")).to_contain_text("This browser saves nothing for this page")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["phone", "laptop"])
def test_axe_finds_nothing_where_something_is_saved(browser: Browser, url: str, scheme: Scheme, size: str) -> None:
    with window(browser, url, size=SIZES[size], scheme=scheme) as page:
        save_label(page, "seven", "7", "1")
        page.goto(f"/#/tag?model=ner-en&text={ADA}")
        expect(page.get_by_role("group", name="Tagged by ner-en")).to_contain_text("PER")
        correct(page, "Wrong?")
        save, undo = (page.get_by_role("button", name=name) for name in ("Save these tags", "Undo my changes"))
        expect(save).to_be_disabled()
        page.locator(".correct").get_by_role("button", name="ORG").click()
        undo.click()
        expect(undo).to_be_disabled()
        expect(save).to_be_disabled()
        page.locator(".correct").get_by_role("button", name="ORG").click()
        save.click()
        expect(page.locator(".correct [role=status]")).to_have_text(re.compile("Saved"))
        page.goto("/#/teach")
        expect(page.get_by_role("region", name="ner-en")).to_be_visible()
        page.evaluate("() => document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        page.wait_for_timeout(200)
        assert violations(page) == []
        width = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert width <= 0
