"""The page /docs works without access to the internet."""

import re

from httpx2 import AsyncClient


async def test_all_that_the_page_loads_comes_from_this_origin(client: AsyncClient) -> None:
    page = (await client.get("/docs")).text
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert loaded
    assert [each for each in loaded if "//" in each] == []
    for each in loaded:
        assert (await client.get(f"/{each}")).status_code == 200
