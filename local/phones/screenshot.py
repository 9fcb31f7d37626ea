"""A picture of the page at work: `python -m local.phones.screenshot OUT.png`.

Opens the page of the running stack in headless Chromium, onboards two people and takes the picture
when their replies are delivered. Needs a Chromium: `CHROMIUM` names one, else the usual names are
looked for.
"""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Error, Page, sync_playwright

from local.state import State

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking")
#: Milliseconds to wait for a reply to be delivered.
REPLY_MS = 30_000

Scheme = Literal["light", "dark"]

#: Who texts what. Numbers from the range that is reserved for stories.
STORY = {
    "+12125550142": [
        "Hi, Sam Okafor told me about you",
        "I'm Jane Doe, CTO at Acme",
        "How do you make money?",
    ],
    "+14155550107": [
        "Hello, who is this?",
        "nobody sent me, I'm Luis Ortega",
        "VP Operations at Northwind",
        "luis@northwind.example",
    ],
}
UNTOLD = "+13125550118"


def find_chromium() -> str | None:
    """The path of a Chromium on this machine, or None."""
    named = os.environ.get("CHROMIUM")
    return named or next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def chromium(executable: str) -> Iterator[Browser]:
    """A headless browser, closed at the end.

    Raises:
        playwright.sync_api.Error: it cannot be started.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


def open_page(
    browser: Browser, url: str, *, width: int = 1440, height: int = 900, scheme: Scheme = "light"
) -> Page:
    """The phones page in a window of its own, connected."""
    window = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, device_scale_factor=1
    )
    page = window.new_page()
    page.goto(url)
    page.locator('[data-testid=connection][data-state="live"]').wait_for()
    return page


def keep_phones(page: Page, *numbers: str) -> None:
    """Put exactly these phones on the page, as if this browser had kept them."""
    kept = json.dumps({"numbers": numbers, "hidden": {}})
    page.evaluate("kept => localStorage.setItem('yachtparty.phones', kept)", kept)
    page.reload()
    page.locator('[data-testid=connection][data-state="live"]').wait_for()


def text_and_wait(page: Page, number: str, text: str) -> None:
    """Type a text into a phone, send it with Enter and wait for a delivered reply."""
    phone = page.locator(f'[data-testid=phone][data-number="{number}"]')
    replies = phone.locator(
        '[data-testid=bubble][data-direction=outbound][data-status="delivered"]'
    )
    before = replies.count()
    composer = phone.get_by_test_id("composer")
    composer.fill(text)
    composer.press("Enter")
    replies.nth(before).wait_for(timeout=REPLY_MS)


def main() -> int:
    """Exit status 0 when the picture was taken; 1, with one sentence, when it could not be."""
    parser = argparse.ArgumentParser(prog="python -m local.phones.screenshot")
    parser.add_argument("out", type=Path, help="the PNG file to write")
    parser.add_argument("--url", help="the page; default: that of the running stack")
    parser.add_argument("--scheme", choices=["light", "dark"], default="light")
    parser.add_argument("--width", type=int, default=1440)
    parser.add_argument("--height", type=int, default=900)
    options = parser.parse_args()
    executable = find_chromium()
    if executable is None:
        return _fail("No Chromium found: install one, or name it in CHROMIUM.")
    try:
        url = options.url or json.loads(State.from_environment().stack_file.read_text())["phones"]
    except FileNotFoundError:
        return _fail("No stack is running: start one with `make run`.")
    try:
        with chromium(executable) as browser:
            page = open_page(
                browser, url, width=options.width, height=options.height, scheme=options.scheme
            )
            keep_phones(page, *STORY, UNTOLD)
            for number, texts in STORY.items():
                for text in texts:
                    text_and_wait(page, number, text)
            page.evaluate("document.activeElement.blur()")
            page.wait_for_timeout(1500)  # lets the last rows of the pipeline arrive
            page.screenshot(path=options.out)
    except Error as error:
        return _fail(f"The browser could not do it: {error.message}")
    return 0


def _fail(sentence: str) -> int:
    sys.stderr.write(f"{sentence}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
