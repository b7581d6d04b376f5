"""Correcting an answer of a panel, as a person does."""

from __future__ import annotations

from playwright.sync_api import Page, expect


def correct(page: Page, title: str) -> None:
    """Open the control under the answer."""
    page.locator(".correct summary", has_text=title).click()


def save_label(page: Page, example: str, read: str, label: str) -> None:
    """Say of a drawing that it is `label`."""
    page.goto("about:blank")  # Else the answer to the drawing before is still there for a moment.
    page.goto("/#/draw")
    page.get_by_role("button", name=example).click()
    expect(page.locator(".predictions .reading output")).to_have_text(read)
    if not page.locator(".correct .inside").is_visible():
        correct(page, "Wrong? Choose the right one")
    page.locator(".correct").get_by_role("button", name=label, exact=True).click()
    expect(page.locator(".correct [role=status]")).to_have_text(f"Saved in this browser as {label}.")
