"""Who may change a sale: everybody where no token is set (the lab on loopback), else the bearer of the token."""

import hmac
from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.api.errors import Unauthorized
from app.api.services import InstalledServices

bearer = HTTPBearer(auto_error=False, scheme_name="admin", description="API_ADMIN_TOKEN, where one is set.")


async def require_admin(
    services: InstalledServices, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
) -> None:
    """Raises Unauthorized."""
    if services.admin_token is None:
        return
    given = credentials.credentials if credentials else ""
    if not hmac.compare_digest(given.encode(), services.admin_token.encode()):
        raise Unauthorized("This needs the admin token as a bearer token.")
