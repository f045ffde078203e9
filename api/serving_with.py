"""Which event loop and which HTTP parser serve: the fast ones, or those that are always there."""

import asyncio
from importlib.util import find_spec


def serving_with() -> dict[str, str]:
    """Returns the names of the running loop's library, and of the parser that uvicorn takes."""
    loop = type(asyncio.get_running_loop()).__module__.partition(".")[0]
    return {"loop": loop, "parser": "httptools" if find_spec("httptools") else "h11"}
