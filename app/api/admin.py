"""Authorization of changes: they need the admin token if one is set. In a lab on loopback none is set."""

import hmac
from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.api.errors import Unauthorized
from app.api.services import InstalledServices

bearer = HTTPBearer(auto_error=False, scheme_name="admin", description="The value of API_ADMIN_TOKEN, if it is set.")


async def require_admin(
    services: InstalledServices, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
) -> None:
    """Raise Unauthorized if an admin token is set and the request does not carry it."""
    if services.admin_token is None:
        return
    given = credentials.credentials if credentials else ""
    if not hmac.compare_digest(given.encode(), services.admin_token.encode()):
        raise Unauthorized("This request needs the admin token (API_ADMIN_TOKEN) as a bearer token.")
