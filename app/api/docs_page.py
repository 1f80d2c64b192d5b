"""/docs without a content delivery network: the page's script and style come with a package, and from this origin."""

from importlib.resources import files

from fastapi import APIRouter, FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

ASSETS = "/docs/assets"

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def docs() -> HTMLResponse:
    """The address of everything it loads is relative, so that it works behind a path prefix too."""
    return get_swagger_ui_html(
        openapi_url="openapi.json",
        title="AtomicTickets: the HTTP API",
        swagger_js_url="docs/assets/swagger-ui-bundle.js",
        swagger_css_url="docs/assets/swagger-ui.css",
        swagger_favicon_url="docs/assets/favicon.png",
    )


def install(application: FastAPI) -> None:
    application.mount(ASSETS, StaticFiles(directory=str(files("fastapi_offline") / "static")))
    application.include_router(router)
