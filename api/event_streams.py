"""What a client of the handshake era hears when it comes with GET, fed from Redis at any replica.

That is its session's own stream or, after a connection broke, the rest of a request's answer.
"""

import secrets
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Final

import anyio
from mcp_types.version import is_version_at_least
from sse_starlette import EventSourceResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from api.answering import SseEvent, event_id, primed
from api.following import SessionFollower
from api.handshakes import Seat
from api.plan_ear import Heard, PlanEar
from api.wire import Wire
from shared.errors import RedisUnavailable
from shared.stores.mcp_events import STANDALONE, Event, McpEventLog
from shared.stores.mcp_sessions import STREAM_S, TOUCH_S, McpSessionStore
from shared.stores.mcp_wire import Told

LOOK_S: Final = STREAM_S / 3
"""Between two looks at a session's stream of which nobody said that there is something new."""
LOOK_FOR_ANSWER_S: Final = 1.0
PATIENCE_S: Final = 3.0
"""A request of which nothing is known yet may have been taken a moment ago."""
LONGEST_S: Final = 60 * 60
"""Then the client connects anew, with a token that is still good."""


@dataclass(slots=True)
class _Watch:
    """What one stream hears of: its session, and the plans that it follows."""

    heard: Heard
    ended: bool = False

    def hear(self, told: Told) -> None:
        """Takes what a replica says about the session."""
        if told.kind == "said":
            return
        self.ended = self.ended or told.kind == "ended"
        self.heard.wake()


class EventStreams:
    """Feeds the streams that clients hold open at this replica."""

    def __init__(
        self,
        sessions: McpSessionStore,
        log: McpEventLog,
        wire: Wire,
        ear: PlanEar,
        follower: SessionFollower,
    ) -> None:
        self._sessions = sessions
        self._follower = follower
        self._log = log
        self._wire = wire
        self._ear = ear

    async def of_session(self, seat: Seat, after: str | None) -> ASGIApp | None:
        """The session's own stream, from now on or after an entry; None if it is taken.

        Whoever comes back after an entry had the stream before: the old connection is dead.

        Raises:
            RedisUnavailable: nobody knows.
        """
        holder = secrets.token_hex(8)
        force = after is not None
        if not await self._sessions.take_stream(seat.session_id, holder, by_force=force):
            return None
        entry = after or await self._log.newest(seat.session_id, STANDALONE)
        return self._response(seat, self._told_in_session(seat, holder, entry))

    def of_request(self, seat: Seat, stream: str, after: str) -> ASGIApp:
        """The rest of what is told about one request, up to its answer."""
        return self._response(seat, self._told_of_request(seat, stream, after))

    def _response(self, seat: Seat, events: AsyncGenerator[SseEvent]) -> ASGIApp:
        headers = {
            "Cache-Control": "no-cache, no-transform",
            "X-Accel-Buffering": "no",
            "Mcp-Session-Id": seat.session_id,
        }

        async def respond(scope: Scope, receive: Receive, send: Send) -> None:
            async with aclosing(events):  # also when the client leaves in the middle of an event
                await EventSourceResponse(content=events, headers=headers)(scope, receive, send)

        return respond

    async def _told_in_session(
        self, seat: Seat, holder: str, entry: str
    ) -> AsyncGenerator[SseEvent]:
        if is_version_at_least(seat.session.protocol_version, "2025-11-25"):
            yield primed(STANDALONE, entry)
        began = touched = anyio.current_time()
        with self._watching(seat) as watch:
            try:
                while not watch.ended and anyio.current_time() - began < LONGEST_S:
                    try:
                        if not await self._sessions.keep_stream(seat.session_id, holder):
                            return
                        if anyio.current_time() - touched >= TOUCH_S:
                            touched = anyio.current_time()
                            await self._sessions.touch(seat.session_id, seat.session.owner)
                        known = await self._follower.look(seat.session_id)
                        events = await self._log.after(seat.session_id, STANDALONE, entry)
                    except RedisUnavailable:  # it comes back, and the stream goes on
                        await anyio.sleep(LOOK_FOR_ANSWER_S)
                        continue
                    for event in events:
                        entry = event.entry
                        yield _told(STANDALONE, event)
                    self._ear.follow(watch.heard, known)
                    next_look_s = self._follower.next_look_s(known)
                    await watch.heard.wait(min(LOOK_S, next_look_s))
            finally:
                await self._leave(seat, holder)

    async def _told_of_request(
        self, seat: Seat, stream: str, entry: str
    ) -> AsyncGenerator[SseEvent]:
        began = known = anyio.current_time()
        with self._watching(seat) as watch:
            while not watch.ended and anyio.current_time() - began < LONGEST_S:
                try:
                    alive = await self._log.is_alive(seat.session_id, stream)
                    events = await self._log.after(seat.session_id, stream, entry)
                except RedisUnavailable:
                    await anyio.sleep(LOOK_FOR_ANSWER_S)
                    continue
                for event in events:
                    entry = event.entry
                    yield _told(stream, event)
                    if event.last:
                        return
                if alive or events:
                    known = anyio.current_time()
                if anyio.current_time() - known >= PATIENCE_S:
                    return
                await watch.heard.wait(LOOK_FOR_ANSWER_S)

    @contextmanager
    def _watching(self, seat: Seat) -> Iterator[_Watch]:
        """While this lasts, the stream is woken when there may be something to tell."""
        with self._ear.hearing(()) as heard:
            watch = _Watch(heard)
            with self._wire.hearing(seat.session_id, watch.hear):
                yield watch

    async def _leave(self, seat: Seat, holder: str) -> None:
        with anyio.move_on_after(LOOK_FOR_ANSWER_S, shield=True):
            try:
                await self._sessions.leave_stream(seat.session_id, holder)
            except RedisUnavailable:
                return  # it runs out by itself


def _told(stream: str, event: Event) -> SseEvent:
    return {"id": event_id(stream, event.entry), "event": "message", "data": event.text}
