"""Connections that are opened before a crowd comes."""

from sqlalchemy.ext.asyncio import AsyncEngine


async def warm_up(engine: AsyncEngine, connections: int) -> None:
    """Open as many connections of the pool, so that no buyer waits for a new one."""
    opened = [await engine.connect() for _ in range(connections)]
    for connection in opened:
        await connection.close()
