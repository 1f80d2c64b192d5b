"""The dashboard's files, with headers that let them load nothing from elsewhere and run nothing inline."""

import os
from importlib.resources import files

from fastapi import APIRouter, FastAPI
from starlette.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER = files("app") / "static"
CHARTS = FOLDER / "vendor" / "chart.js"
"""Chart.js, fetched at set-up. The page works without it, and without its charts."""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",  # kept, and asked for by its ETag each time: a new release is seen at once
}

router = APIRouter(include_in_schema=False)


class DashboardFiles(StaticFiles):
    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update(HEADERS)
        return response


@router.get("/")
async def front_page() -> Response:
    """Relative, so that it works behind a path prefix too."""
    return RedirectResponse("static/index.html")


def install(application: FastAPI) -> None:
    application.mount("/static", DashboardFiles(directory=str(FOLDER)))
    application.include_router(router)
