"""The panel Draw: pictures that are chosen, pasted or dropped."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.page.browser import PATIENCE_MS, wait_until, window
from tests.page.drawing import draw
from tests.support.processes import ROOT

expect.set_options(timeout=PATIENCE_MS)

SEVEN = ROOT / "tests/data/seven.png"
HEIC = ROOT / "tests/data/heic/ten_bits.heic"
STARTS = [
    SEVEN.read_bytes()[:1024],
    HEIC.read_bytes()[:1024],
    b"\xff\xd8\xff\xe0\0\x10JFIF",
    b"GIF89a\x1c\0\x1c\0\x80",
    b"BM\x8a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0",
    b"MM\0*\0\0\0\x08",
    b"RIFF\x24\0\0\0WEBPVP8 ",
    b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf",
]
"""What files begin with, one of every format that the server reads."""


def give(page: Page, kind: str, *, files: list[str] | None = None, text: str = "") -> None:
    """Paste or drop files that are no pictures, or a text, onto the page."""
    page.evaluate(
        """([kind, files, text]) => {
          const data = new DataTransfer();
          for (const name of files) data.items.add(new File(['no picture'], name));
          if (text) data.setData('text/plain', text);
          const options = { bubbles: true, cancelable: true };
          document.body.dispatchEvent(kind === 'paste' ? new ClipboardEvent(kind, { ...options, clipboardData: data })
            : new DragEvent(kind, { ...options, dataTransfer: data }));
        }""",
        [kind, files or [], text],
    )


def test_the_back_button_leads_from_a_file_to_the_drawing_before_it(page: Page) -> None:
    page.goto("/#/draw")
    expect(page.locator(".predictions .reading output")).to_have_text("3")
    page.get_by_label("A picture from a file").set_input_files(SEVEN)
    expect(page.locator(".predictions .reading output")).to_have_text("7")
    page.go_back()
    expect(page.locator(".predictions .reading output")).to_have_text("3")
    expect(page.locator(".input")).not_to_contain_text("not part of the link")


def test_a_picture_from_a_file_is_read(page: Page) -> None:
    page.goto("/#/draw")
    page.get_by_label("A picture from a file").set_input_files(SEVEN)
    expect(page.locator(".predictions .reading output")).to_have_text("7")
    expect(page.locator(".input")).to_contain_text("not part of the link")
    page.get_by_text("As code").click()
    expect(page.get_by_label("Program").first).to_contain_text("--data-binary '@drawing-")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("notes.png", b"no picture", "notes.png is a text, not a picture. Choose a PNG, JPEG, "),
        ("notes.bmp", b"BMW and others", "notes.bmp is a text, not a picture."),
        ("notes", b"", "notes is empty, not a picture. Choose a PNG, JPEG, "),
        ("notes.pdf", b"%PDF-1.7\n%\xe2\xe3", "notes.pdf is a PDF, not a picture."),
        ("notes.docx", b"PK\x03\x04\x14\x00", "notes.docx is a ZIP archive or a document, not a picture."),
        ("film.mp4", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "film.mp4 is a sound or video, not a picture."),
        (
            "noise.jpg",
            b"\x9c\x01\xfe\x07" * 300,
            "noise.jpg is in no format that this server reads. Choose a PNG, JPEG, ",
        ),
    ],
)
def test_a_file_that_is_no_picture_is_refused_before_it_is_sent(
    page: Page, tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    page.goto("/#/draw")
    expect(page.locator(".predictions .reading output")).to_have_text("3")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    page.get_by_label("A picture from a file").set_input_files(file)
    alert = page.locator(".input").get_by_role("alert")
    expect(alert).to_contain_text(said)
    expect(page.locator(".predictions .reading output")).to_have_text("3")
    expect(page.locator(".pad .note")).to_have_count(0)
    assert not [each for each in sent if "classify" in each]
    page.get_by_role("button", name="seven").click()
    expect(page.locator(".predictions .reading output")).to_have_text("7")
    expect(alert).to_have_count(0)


def test_every_type_that_the_server_reads_is_recognized_before_it_is_sent(page: Page) -> None:
    page.goto("/#/draw")
    found = page.evaluate(
        """async (files) => {
          const { kindOf } = await import('/page/panels/draw/file_kind.js');
          return files.map((base64) => kindOf(Uint8Array.from(atob(base64), (each) => each.charCodeAt(0))).type);
        }""",
        [base64.b64encode(start).decode() for start in STARTS],
    )
    (model,) = [each for each in page.request.get("/v1/models").json()["data"] if each["id"] == "digits"]
    assert set(found) == set(model["details"]["media_types"])


def test_a_picture_that_neither_browser_nor_server_reads_is_refused_before_it_is_sent(page: Page) -> None:
    listing = page.request.get("/v1/models").json()
    for model in listing["data"]:
        if "media_types" in model["details"]:
            model["details"]["media_types"].remove("image/heic")
    page.route("**/v1/models", lambda route: route.fulfill(json=listing))
    page.goto("/#/draw")
    expect(page.locator(".predictions .reading output")).to_have_text("3")
    page.get_by_label("A picture from a file").set_input_files(HEIC)
    alert = page.locator(".input").get_by_role("alert")
    expect(alert).to_contain_text("ten_bits.heic is HEIC, which this server does not read. Choose a PNG, JPEG, ")
    expect(page.locator(".predictions .reading output")).to_have_text("3")


def test_a_photograph_that_is_too_large_for_the_server_is_refused_before_it_is_sent(page: Page) -> None:
    page.goto("/#/draw")
    expect(page.locator(".predictions .reading output")).to_have_text("3")
    photograph = HEIC.read_bytes() + bytes(20_000_000)
    page.get_by_label("A picture from a file").set_input_files(
        {"name": "photo.heic", "mimeType": "image/heic", "buffer": photograph}
    )
    alert = page.locator(".input").get_by_role("alert")
    expect(alert).to_contain_text(
        "photo.heic has 20.0 MB, and this browser cannot make it smaller: the server takes 16.8 MB."
    )
    expect(page.locator(".predictions .reading output")).to_have_text("3")


def test_a_damaged_picture_is_refused_in_words_for_a_person(browser: Browser, url: str) -> None:
    name, content = "damaged.png", SEVEN.read_bytes()[:60]
    with window(browser, url, expected="415|422|400") as page:
        page.goto("/#/draw")
        expect(page.locator(".predictions .reading output")).to_have_text("3")
        page.get_by_label("A picture from a file").set_input_files(
            {"name": name, "mimeType": "image/png", "buffer": content}
        )
        expect(page.locator("#draw-problem")).to_be_visible()
        expect(page.locator("#draw-problem")).not_to_contain_text(
            re.compile("content-type|multipart|bytes", re.IGNORECASE)
        )
        expect(page.locator(".pad .note")).to_have_text(f"{name} was not read.")
        expect(page.locator(".predictions")).to_have_count(0)  # the answer to another picture
        page.get_by_role("button", name="seven").click()
        expect(page.locator(".predictions .reading output")).to_have_text("7")
        expect(page.locator("#draw-problem")).to_have_count(0)


@pytest.mark.parametrize("type_", ["image/heic", "", "application/octet-stream"])
def test_a_photograph_that_the_browser_cannot_show_is_read_whatever_type_it_names(page: Page, type_: str) -> None:
    page.goto("/#/draw")
    expect(page.locator(".predictions .reading output")).to_have_text("3")
    page.get_by_label("A picture from a file").set_input_files(
        {"name": "photo.heic", "mimeType": type_, "buffer": HEIC.read_bytes()}
    )
    expect(page.locator(".predictions .reading output")).to_have_text("7")
    expect(page.locator(".pad .note")).to_contain_text("cannot show photo.heic")
    expect(page.locator(".strip img")).to_have_count(0)


@pytest.mark.parametrize("type_", ["image/svg+xml", "text/plain"])
def test_a_drawing_of_vectors_is_read(page: Page, type_: str) -> None:
    path = '<path d="M2 2H7L4 8" stroke="#000" fill="none"/>'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">{path}</svg>'.encode()
    page.goto("/#/draw")
    expect(page.locator(".predictions .reading output")).to_have_text("3")
    page.get_by_label("A picture from a file").set_input_files({"name": "seven.svg", "mimeType": type_, "buffer": svg})
    expect(page.locator(".predictions .reading output")).to_have_text("7")


def test_a_large_photograph_is_made_smaller_before_it_is_sent(page: Page, tmp_path: Path) -> None:
    page.goto("/#/draw")
    expect(page.locator(".predictions .reading output")).to_have_text("3")
    # Made by the browser itself, so that the tests need no image library.
    page.evaluate(
        """async () => {
          const canvas = Object.assign(document.createElement('canvas'), { width: 4000, height: 3000 });
          const context = canvas.getContext('2d');
          context.fillStyle = '#fff';
          context.fillRect(0, 0, 4000, 3000);
          context.lineWidth = 200;
          context.beginPath();
          context.moveTo(1400, 700); context.lineTo(2600, 700); context.lineTo(2000, 2400);
          context.stroke();
          const blob = await new Promise((resolve) => canvas.toBlob(resolve, 'image/jpeg'));
          const data = new DataTransfer();
          data.items.add(new File([blob], 'photo.jpg', { type: 'image/jpeg' }));
          document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true }));
        }"""
    )
    expect(page.locator(".predictions .reading output")).to_have_text("7")
    expect(page.locator(".strip")).to_contain_text("1024 \N{MULTIPLICATION SIGN} 768")


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("paste", "seven", "What was pasted is text, not a picture."),
        ("paste", "", "What was pasted is empty, not a picture."),
        ("drop", "https://example.com/seven.png", "What was dropped is a link, not a picture."),
    ],
)
def test_what_is_pasted_or_dropped_and_no_picture_is_said(page: Page, kind: str, text: str, said: str) -> None:
    page.goto("/#/draw")
    expect(page.locator(".predictions .reading output")).to_have_text("3")
    give(page, kind, text=text)
    alert = page.locator(".input").get_by_role("alert")
    expect(alert).to_contain_text(said)
    expect(alert).to_contain_text("open the file")
    expect(page.locator(".predictions .reading output")).to_have_text("3")  # nothing is lost
    page.get_by_role("button", name="seven").click()
    expect(alert).to_have_count(0)


def test_text_that_is_pasted_into_a_field_is_no_picture_that_failed(page: Page) -> None:
    page.goto("/#/draw")
    expect(page.locator(".predictions .reading output")).to_have_text("3")
    page.locator(".network .layer").nth(3).locator("button.map").first.click()
    field = page.get_by_role("region", name="The sum of a unit").get_by_label("Row")
    field.evaluate(
        """(field) => {
          const data = new DataTransfer();
          data.setData('text/plain', '1');
          field.dispatchEvent(new ClipboardEvent('paste', { bubbles: true, clipboardData: data }));
        }"""
    )
    expect(page.locator(".input").get_by_role("alert")).to_have_count(0)


def test_of_several_files_the_first_is_named(page: Page) -> None:
    page.goto("/#/draw")
    expect(page.locator(".predictions .reading output")).to_have_text("3")
    give(page, "drop", files=["one.png", "two.png"])
    alert = page.locator(".input").get_by_role("alert")
    expect(alert).to_contain_text("2 files were dropped. Only the first is read: one.png. one.png is a text")


def test_a_file_that_cannot_be_read_is_said_and_the_drawing_stays(page: Page) -> None:
    page.goto("/#/draw")
    expect(page.locator(".predictions .reading output")).to_have_text("3")
    page.evaluate(
        "() => { Blob.prototype.arrayBuffer = async () => { throw new DOMException('gone', 'NotFoundError'); }; }"
    )
    give(page, "drop", files=["pictures"])  # as browsers hand over a folder
    expect(page.locator(".input").get_by_role("alert")).to_contain_text("pictures cannot be read. Choose it again")
    expect(page.locator(".predictions .reading output")).to_have_text("3")


def test_what_is_drawn_while_a_file_is_read_stays(page: Page) -> None:
    page.goto("/#/draw")
    expect(page.locator(".predictions .reading output")).to_have_text("3")
    page.evaluate(
        """() => {
          const decode = window.createImageBitmap;
          window.read = null;
          window.createImageBitmap = async (...input) => {
            await new Promise((resolve) => { window.read = resolve; });
            return decode(...input).finally(() => setTimeout(() => { window.isRead = true; }));
          };
        }"""
    )
    page.get_by_label("A picture from a file").set_input_files(SEVEN)
    wait_until(page, "window.read !== null")
    page.get_by_role("button", name="Clear").click()
    draw(page, (0.3, 0.25), (0.68, 0.25), (0.55, 0.5), (0.45, 0.8))
    page.evaluate("window.read()")
    wait_until(page, "window.isRead")
    expect(page.locator(".predictions .reading output")).to_have_text("7")
    expect(page.locator(".input")).not_to_contain_text("not part of the link")
