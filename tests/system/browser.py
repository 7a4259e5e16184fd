"""A headless Chromium that knows this machine alone, and the form for connections in Airflow's pages."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from selenium import webdriver
from selenium.common import (
    ElementClickInterceptedException,
    NoSuchElementException,
    StaleElementReferenceException,
    TimeoutException,
)
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

INSTALL = "tests/system/install_servers.sh installs it"
_SECONDS = 60  # for anything; a busy machine is slow
_WIDTH, _HEIGHT = 900, 3400  # high, so that the whole form is on the page
_TRIES = 5
_NOTICE, _PARTS = "[data-scope=toast][data-part=root]", ("title", "description")
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--lang=en-US"),
    *("--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
    # nothing is asked for outside, whatever a page says
    *("--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
    f"--window-size={_WIDTH},{_HEIGHT}",
)


def missing() -> str:
    """Say what is not here, or nothing."""
    gone = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    return f"no {' and no '.join(gone)} here; {INSTALL}" if gone else ""


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """
    Run Chromium and its driver; both end with the block.

    :param profile: a new folder for what it keeps.
    """
    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for flag in (*_FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    # with a path given none is looked for and none is downloaded
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        driver.set_page_load_timeout(_SECONDS)
        driver.implicitly_wait(_SECONDS)
        yield Browser(driver)
    finally:
        driver.quit()


class Browser:
    """
    What a person does with Airflow's pages.

    :param driver: of the browser.
    """

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver
        passing = [StaleElementReferenceException, ElementClickInterceptedException]
        self.wait = WebDriverWait(driver, _SECONDS, 0.1, passing)

    # --- on a page

    def find(self, css: str) -> WebElement:
        """The first element that a CSS selector names, as soon as it is there."""
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def press(self, words: str) -> None:
        """Press the button with these words on it."""
        button = f"//button[normalize-space(.)='{words}' or @aria-label='{words}']"

        def pressed(driver: webdriver.Chrome) -> bool:
            found = driver.find_element(By.XPATH, button)
            if enabled := found.is_enabled():
                found.click()
            return enabled

        self.wait.until(pressed)

    def paste(self, name: str, text: str) -> None:
        """Put a text into a field instead of what is there, as from the clipboard; key by key would take minutes."""
        field = self.find(f"[role=dialog] [name='{name}']")
        self.driver.execute_script("arguments[0].focus(); arguments[0].select()", field)
        self.driver.execute_cdp_cmd("Input.insertText", {"text": text})
        assert field.get_attribute("value") == text, name

    def choose(self, label: str, words: str) -> None:
        """Choose from the list with this label."""
        box = f"//*[@role='dialog']//input[@role='combobox' and @id=//label[starts-with(., '{label}')]/@for]"
        self.driver.find_element(By.XPATH, box).send_keys(words, "\n")

    def at_rest(self, css: str) -> WebElement:
        """An element that has ceased to move; ``LookupError`` if it goes meanwhile."""
        self.find(css)
        seen: list[object] = []

        def rests(driver: webdriver.Chrome) -> WebElement | None:
            elements = driver.execute_script("return document.querySelectorAll(arguments[0])", css)
            if not elements:
                raise LookupError(f"{css} is gone")
            element: WebElement = elements[0]
            opaque = element.value_of_css_property("opacity") == "1"
            seen.append(element.rect)
            return element if opaque and len(seen) > 3 and all(rect == seen[-1] for rect in seen[-4:]) else None

        return self.wait.until(rests)

    def gone(self, css: str) -> None:
        """Wait until no such element is there."""
        self.driver.implicitly_wait(0)
        self.wait.until(lambda driver: not driver.find_elements(By.CSS_SELECTOR, css))
        self.driver.implicitly_wait(_SECONDS)

    def picture(self, path: Path, first: WebElement, last: WebElement | None = None) -> None:
        """
        Take a picture.

        :param first: the element that is shown.
        :param last: what ends the picture below, if it is not all of the element.
        """
        self.driver.execute_script("document.activeElement.blur()")  # a cursor comes and goes
        rect = first.rect
        below = rect["y"] + rect["height"] if last is None else last.rect["y"] + last.rect["height"]
        clip = {"x": rect["x"], "y": rect["y"], "width": rect["width"], "height": below - rect["y"], "scale": 1}
        shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True})
        path.write_bytes(base64.b64decode(shot["data"]))

    # --- in the form for connections

    def add_connection(self, base: str, kind: str) -> None:
        """Open the form for a new connection of a type."""
        self.driver.get(f"{base}/connections")
        self.press("Add Connection")
        self.choose("Connection Type", kind)
        self.find("[name=login]")

    def edit_connection(self, base: str) -> None:
        """Open the form of the only connection."""
        self.driver.get(f"{base}/connections")
        self.press("Edit Connection")
        self.find("[role=dialog] [name=login]")

    def extra(self, name: str) -> tuple[WebElement, list[str], str]:
        """An extra as the form shows it: all that belongs to it, its label and description, and what is filled in."""
        field = self.find(f"[role=dialog] [name='element_{name}']")
        root = field.find_element(By.XPATH, "ancestor::*[@data-part='root' and @role='group'][1]")
        texts = [root.find_element(By.CSS_SELECTOR, f"[data-part={part}]") for part in ("label", "helper-text")]
        assert all(text.is_displayed() for text in texts), name
        value = str(field.is_selected()) if field.get_attribute("type") == "checkbox" else field.get_attribute("value")
        return root, [text.text for text in texts], value or ""

    def try_connection(self, base: str, picture: Path, *, page: bool) -> tuple[str, str]:
        """
        Press Test in the list of connections, and take a picture of the notice that comes.

        :param page: whether all of the page is on the picture.
        :return: the notice's title and its text.
        """
        for _ in range(_TRIES):
            self.driver.get(f"{base}/connections")
            # the button may not come to life on a page that was loaded too early, and the notice goes after five
            # seconds, which is too soon for a busy machine
            with suppress(LookupError, NoSuchElementException, StaleElementReferenceException, TimeoutException):
                self.press("Test Connection")
                notice = self.at_rest(_NOTICE)
                self.picture(picture, self.find("body") if page else notice)
                parts = [notice.find_element(By.CSS_SELECTOR, f"[data-part={part}]") for part in _PARTS]
                title, text = (part.text for part in parts)
                if notice.is_displayed():
                    return title, text
        raise AssertionError(f"No notice stayed for a picture of it, {_TRIES} times")
