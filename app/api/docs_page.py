"""The page /docs. Its script and style come from a Python package and this origin, not from a CDN."""

from importlib.resources import files
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

ASSETS = "/docs/assets"

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def docs() -> HTMLResponse:
    """Return the API documentation page. All its addresses are relative, so that it also works behind a path prefix."""
    return get_swagger_ui_html(
        openapi_url="openapi.json",
        title="AtomicTickets: the HTTP API",
        swagger_js_url="docs/assets/swagger-ui-bundle.js",
        swagger_css_url="docs/assets/swagger-ui.css",
        swagger_favicon_url="docs/assets/favicon.png",
    )


def install(application: FastAPI) -> None:
    """Add /docs and its files to the application."""
    application.mount(ASSETS, StaticFiles(directory=str(files("fastapi_offline") / "static")))
    application.include_router(router)


def fill_in(document: dict[str, Any]) -> None:
    """Give each parameter of the OpenAPI document the first example of its schema as its own.

    Swagger UI fills its fields only from a parameter's own example, and Execute works only once they are filled.
    """
    for operations in document["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", []):
                if examples := parameter["schema"].get("examples"):
                    parameter["example"] = examples[0]
