"""A worker that takes a job when it has done the one before."""

import logging

from channels.worker import Worker

logger = logging.getLogger(__name__)


class OneAtATimeWorker(Worker):
    """Channels' own worker takes jobs as fast as they come and keeps them in its memory.

    Then a slow worker takes jobs from an idle one, the channel never fills, so that the producer
    is not held up, and all that waits in a worker is lost when it ends. Here the consumer itself
    receives from the channel layer, and it does so when it has nothing else to do.
    """

    async def handle(self) -> None:
        print("ready", flush=True)
        await super().handle()

    async def listener(self, channel: str) -> None:
        scope = {"type": "channel", "channel": channel}
        while True:
            try:
                await self.application(scope, lambda: self.channel_layer.receive(channel), _refuse)
            except Exception:
                logger.exception("a job from %s has failed", channel)


async def _refuse(message: dict) -> None:
    raise RuntimeError("a worker has no client to send to")
