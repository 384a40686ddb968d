"""Does one job after the other."""

import asyncio
import os
from typing import Any

from channels.consumer import AsyncConsumer

from thumbnails.sending import send_when_there_is_room

WORKER_NAME = os.environ.get("WORKER_NAME", "A")
JOB_SECONDS = 0.05


class ThumbnailConsumer(AsyncConsumer):
    async def thumbnail_make(self, job: dict[str, Any]) -> None:
        await asyncio.sleep(JOB_SECONDS)  # stands for the work
        result = {"type": "thumbnail.made", "number": job["number"], "worker": WORKER_NAME}
        await send_when_there_is_room(self.channel_layer, job["reply_to"], result)
