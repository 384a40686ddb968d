"""One browser tab in one room.

The room is a group of the channel layer, so it spans every server process. Nobody stores who is
in it: a newcomer is announced to the group, and each member answers to the newcomer's own channel.
"""

import os
from typing import Any
from urllib.parse import parse_qs

from channels.generic.websocket import AsyncJsonWebsocketConsumer

SERVER_NAME = os.environ.get("SERVER_NAME", "A")
LONGEST_NAME = 30
LONGEST_TEXT = 2000


class ChatConsumer(AsyncJsonWebsocketConsumer):
    async def connect(self) -> None:
        query = parse_qs(self.scope["query_string"].decode())
        name = query.get("name", [""])[0].strip()[:LONGEST_NAME] or "guest"
        self.me = {
            "id": self.channel_name.rsplit("!", 1)[1],
            "name": name,
            "server": SERVER_NAME,
        }
        self.group = "chat." + self.scope["url_route"]["kwargs"]["room"]
        await self.accept()
        await self.send_json({"event": "welcome", **self.me})
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.tell_room("joined", reply_to=self.channel_name)

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(self.group, self.channel_name)
        await self.tell_room("left")

    async def receive_json(self, content: Any, **_: Any) -> None:
        text = str(content.get("text", "")).strip()[:LONGEST_TEXT]
        if text:
            await self.tell_room("message", text=text)

    async def tell_room(self, event: str, reply_to: str | None = None, **more: str) -> None:
        message = {"type": "chat.event", "reply_to": reply_to}
        message["content"] = {"event": event, **self.me, **more}
        await self.channel_layer.group_send(self.group, message)

    async def chat_event(self, message: dict[str, Any]) -> None:
        """Something happened in the room, in this process or in another one."""
        content = message["content"]
        if content["event"] in ("joined", "left"):
            content = {**content, "count": await self.count()}
        await self.send_json(content)
        newcomer = message["reply_to"]
        if newcomer and newcomer != self.channel_name:
            content = {"event": "present", **self.me}
            reply = {"type": "chat.event", "reply_to": None, "content": content}
            await self.channel_layer.send(newcomer, reply)

    async def count(self) -> int | None:
        """How many are in the room, in all processes: channels_redis cannot tell."""
        if not hasattr(self.channel_layer, "group_count"):
            return None
        return await self.channel_layer.group_count(self.group)
