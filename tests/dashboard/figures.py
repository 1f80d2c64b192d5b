"""The figures that the page shows, read as numbers."""

import re

from playwright.async_api import Locator


async def figure(side: Locator, name: str) -> int:
    """Return the whole number that the page shows under this name."""
    text = await side.locator(f'[data-figure="{name}"]').inner_text()
    found = re.fullmatch(r"([\d,]+)( \w+)?", text.strip())
    assert found, f"{name} is {text!r}"
    return int(found[1].replace(",", ""))
