"""Connections that are open before a crowd comes."""

from sqlalchemy.ext.asyncio import AsyncEngine


async def warm_up(engine: AsyncEngine, connections: int) -> None:
    """Opens so many connections of the pool, so that nobody waits for one to be made."""
    opened = [await engine.connect() for _ in range(connections)]
    for connection in opened:
        await connection.close()
