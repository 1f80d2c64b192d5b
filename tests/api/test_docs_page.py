"""The page /docs works without access to the internet, and its forms as they are filled in."""

import re

from httpx2 import AsyncClient


async def test_all_that_the_page_loads_comes_from_this_origin(client: AsyncClient) -> None:
    page = (await client.get("/docs")).text
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert loaded
    assert [each for each in loaded if "//" in each] == []
    for each in loaded:
        assert (await client.get(f"/{each}")).status_code == 200


async def test_a_purchase_can_be_executed_as_its_form_is_filled_in(client: AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    schemas = document["components"]["schemas"]
    headers = {each["name"]: each["example"] for each in document["paths"]["/buy-ticket"]["post"]["parameters"]}
    assert (await client.post("/sales", json=schemas["SaleIn"]["examples"][0])).status_code == 201
    answer = await client.post("/buy-ticket", json=schemas["OrderIn"]["examples"][0], headers=headers)
    assert (answer.status_code, answer.json()["status"]) == (200, "Ticket Reserved")


async def test_every_field_that_must_be_filled_has_an_example(client: AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    required = {
        f"{operation['operationId']} {parameter['name']}": parameter
        for operations in document["paths"].values()
        for operation in operations.values()
        for parameter in operation.get("parameters", [])
        if parameter["required"]
    }
    assert "buy_ticket X-Idempotency-Key" in required
    assert [name for name, parameter in required.items() if "example" not in parameter] == []


async def test_an_operation_has_the_name_of_its_function(client: AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    names = [operation["operationId"] for operations in document["paths"].values() for operation in operations.values()]
    assert {"buy_ticket", "create_sale", "read_sale", "end_sale", "healthz"} <= set(names)
    assert len(names) == len(set(names))
