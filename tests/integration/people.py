"""People in a real Chromium: what an instructor, a student and a visitor do, by the page's own buttons."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,900",
)


class Person:
    """One person at one browser, with a profile of their own."""

    def __init__(self, address: str, name: str, pictures: Path | None = None) -> None:
        self.address = address
        self.name = name
        self.pictures = pictures or (Path(folder) if (folder := os.environ.get("CLUB_PICTURES")) else None)
        self.profile = tempfile.TemporaryDirectory(prefix="chromium-")
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for flag in (*FLAGS, f"--user-data-dir={self.profile.name}"):
            options.add_argument(flag)
        self.driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
        self.driver.set_page_load_timeout(60)
        self.driver.set_script_timeout(60)

    def leave(self) -> None:
        """Close the browser."""
        self.driver.quit()
        self.profile.cleanup()

    def open(self, path: str) -> None:
        """Open a page of the club."""
        self.driver.get(self.address + path if path.startswith("/") else path)

    def resize(self, width: int, height: int) -> None:
        """Give the page exactly this size, as a phone or a wide screen would."""
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )

    def picture(self, name: str) -> None:
        """Keep a picture of the page where somebody asked for pictures (``CLUB_PICTURES``)."""
        if self.pictures is not None:
            self.pictures.mkdir(parents=True, exist_ok=True)
            self.driver.save_screenshot(str(self.pictures / f"{name}.png"))

    def text(self) -> str:
        """Give what the page shows as text."""
        return str(self.driver.execute_script("return document.body ? document.body.innerText : ''"))

    def wait(self, condition: Callable[[], Any], what: str, patience: float = 60) -> Any:
        """Wait until `condition` gives something true; else fail with a picture and the page's text."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            try:
                if value := condition():
                    return value
            except (StaleElementReferenceException, WebDriverException):
                pass
            time.sleep(0.2)
        self.picture(f"failed-{self.name}")
        raise AssertionError(
            f"{self.name} waited {patience:.0f} s for {what} at {self.driver.current_url}; "
            f"the page says:\n{self.text()[:3000]}"
        )

    def find(self, css: str, text: str = "") -> WebElement | None:
        """Find the first visible element of a selector that holds `text`."""
        for element in self.driver.find_elements(By.CSS_SELECTOR, css):
            if element.is_displayed() and text.lower() in element.text.lower():
                return element
        return None

    def see(self, css: str, text: str = "", patience: float = 60) -> WebElement:
        """Wait for a visible element."""
        found: WebElement = self.wait(lambda: self.find(css, text), f"{css} with {text!r}", patience)
        return found

    def see_text(self, text: str, patience: float = 60) -> None:
        """Wait until the page says `text`."""
        self.wait(lambda: text.lower() in self.text().lower(), f"the text {text!r}", patience)

    def click(self, css: str, text: str = "", patience: float = 60) -> None:
        """Wait for an element and click it."""

        def clicked() -> bool:
            element = self.find(css, text)
            if element is None or not element.is_enabled():
                return False
            element.click()
            return True

        self.wait(clicked, f"a click on {css} with {text!r}", patience)

    def fill(self, **values: str) -> None:
        """Fill form fields by their names."""
        for name, value in values.items():
            field = self.see(f"[name='{name}']")
            field.clear()
            field.send_keys(value)

    def call(self, method: str, path: str, body: str | None = None) -> dict[str, Any]:
        """Ask the page's own origin with the page's own cookies, as a script of the page would."""
        script = """
        const [method, path, body, done] = arguments;
        const xsrf = (document.cookie.match(/(?:^|; )_xsrf=([^;]*)/) || [])[1] || '';
        const headers = {'Content-Type': 'application/json', 'X-XSRFToken': decodeURIComponent(xsrf)};
        fetch(path, {method, body, headers, credentials: 'same-origin'}).then(
          async answer => done({status: answer.status, text: await answer.text()}),
          error => done({status: 0, text: String(error)}));
        """
        answer: dict[str, Any] = self.driver.execute_async_script(script, method, path, body)
        return answer

    # What people do -------------------------------------------------------------------------------------------------

    def start_server(self) -> None:
        """Start the own server and wait for JupyterLab."""
        self.open("/hub/spawn")
        self.wait(lambda: f"/user/{quote(self.name)}/lab" in self.driver.current_url, "the own server", 120)
        self.see("#jp-MainLogo, #jp-top-panel", patience=120)
        self.wait(lambda: self.find(".jp-LauncherCard, .jp-DirListing-content"), "JupyterLab", 60)

    def choose_menu(self, menu: str, entry: str) -> None:
        """Choose an entry of JupyterLab's menu bar."""

        def chosen() -> bool:
            if not self.find(".lm-Menu-itemLabel", entry):
                bar = self.find(".lm-MenuBar-itemLabel", menu)
                if bar is None:
                    return False
                bar.click()
                time.sleep(0.3)
            item = self.find(".lm-Menu-itemLabel", entry)
            if item is None:
                return False
            item.click()
            return True

        self.wait(chosen, f"{menu} > {entry}", 60)

    def assignment_list(self) -> None:
        """Open JupyterLab's Assignment List."""
        if not self.find("#released_assignments_list"):
            self.choose_menu("Nbgrader", "Assignment List")
        self.see("#released_assignments_list")

    def list_button(self, which: str, assignment: str, label: str) -> None:
        """Press a button in one of the Assignment List's three parts."""

        def pressed() -> bool:
            for row in self.driver.find_elements(By.CSS_SELECTOR, f"#{which}_assignments_list .list_item"):
                if assignment in row.text:
                    for button in row.find_elements(By.CSS_SELECTOR, "button"):
                        if button.text.strip() == label and button.is_enabled():
                            self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
                            button.click()
                            return True
            return False

        self.wait(pressed, f"{label} of {assignment} under {which}", 60)
