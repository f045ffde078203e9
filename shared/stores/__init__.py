"""Everything that lies in Redis, one module for each kind of key; nothing else talks to Redis.

What lies here is a cache of signed facts: losing it, or finding it forged, must never change a
cluster. Prefixes name the writer: `gw:` gateway, `wk:` workers, `q:` queues, `r:` replies.
"""
