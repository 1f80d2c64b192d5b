"""The files of the dashboard, with headers that forbid other origins and inline scripts."""

import os
from importlib.resources import files

from fastapi import APIRouter, FastAPI
from starlette.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER = files("app") / "static"
CHARTS = FOLDER / "vendor" / "chart.js"
"""Chart.js, fetched at set-up. Without it the dashboard works, but shows no charts."""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",  # cached, but revalidated by ETag each time: a new release is seen at once
}

router = APIRouter(include_in_schema=False)


class DashboardFiles(StaticFiles):
    """Static files that are sent with HEADERS."""

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update(HEADERS)
        return response


@router.get("/")
async def front_page() -> Response:
    """Redirect to the dashboard. The address is relative, so that it also works behind a path prefix."""
    return RedirectResponse("static/index.html")


def install(application: FastAPI) -> None:
    """Add the dashboard to the application, at / and /static."""
    application.mount("/static", DashboardFiles(directory=str(FOLDER)))
    application.include_router(router)
