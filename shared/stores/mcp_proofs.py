"""Proofs of possession that were shown: each is good once. Written by the gateway only."""

import hashlib
from typing import Final

import redis.asyncio

from shared.stores.connection import redis_faults

KEEP_S: Final = 3 * 60
"""Longer than a proof is believed, whatever clock it was made by."""


class McpProofStore:
    """What was shown, as digests."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._redis = client

    async def spend(self, proof: str) -> bool:
        """Spends a proof; says False if it was shown before.

        Raises:
            RedisUnavailable: nobody knows; do not believe it.
        """
        key = f"gw:mcp:proof:{hashlib.sha256(proof.encode()).hexdigest()}"
        with redis_faults():
            return bool(await self._redis.set(key, b"1", nx=True, ex=KEEP_S))
