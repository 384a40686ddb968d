"""The Django Channels example: users on different server processes, three client libraries, and
either channel layer."""

import asyncio
import contextlib
import json

import pytest
import pytest_asyncio
import websocket
import websockets
from autobahn.asyncio.websocket import WebSocketClientFactory, WebSocketClientProtocol

from support.examples import LAYERS, Example
from support.waiting import scaled

DEADLINE = 10.0


class WebsocketClientUser:
    """The library `websocket-client`: synchronous, so it runs in threads."""

    async def connect(self, url, origin):
        self._socket = await asyncio.to_thread(
            websocket.create_connection, url, timeout=scaled(DEADLINE), origin=origin
        )

    async def send(self, text):
        await asyncio.to_thread(self._socket.send, text)

    async def receive(self):
        return await asyncio.to_thread(self._socket.recv)

    async def close(self):
        await asyncio.to_thread(self._socket.close)


class WebsocketsUser:
    """The library `websockets`."""

    async def connect(self, url, origin):
        self._socket = await websockets.connect(url, origin=origin)

    async def send(self, text):
        await self._socket.send(text)

    async def receive(self):
        return await self._socket.recv()

    async def close(self):
        await self._socket.close()


class AutobahnUser:
    """The library Autobahn, on asyncio."""

    class Protocol(WebSocketClientProtocol):
        def __init__(self):
            super().__init__()
            self.opened = asyncio.get_running_loop().create_future()
            self.closed = asyncio.Event()
            self.frames = asyncio.Queue()

        def onOpen(self):
            self.opened.set_result(None)

        def onMessage(self, payload, isBinary):
            self.frames.put_nowait(payload.decode())

        def onClose(self, wasClean, code, reason):
            if not self.opened.done():
                self.opened.set_exception(ConnectionError(reason))
            self.closed.set()

    async def connect(self, url, origin):
        factory = WebSocketClientFactory(url, origin=origin)
        factory.protocol = self.Protocol
        loop = asyncio.get_running_loop()
        _, self._protocol = await loop.create_connection(factory, factory.host, factory.port)
        await self._protocol.opened

    async def send(self, text):
        self._protocol.sendMessage(text.encode())

    async def receive(self):
        return await self._protocol.frames.get()

    async def close(self):
        self._protocol.sendClose()
        await self._protocol.closed.wait()


LIBRARIES = {
    "websocket-client": WebsocketClientUser,
    "websockets": WebsocketsUser,
    "autobahn": AutobahnUser,
}


class User:
    """Someone in a room, on one of the two server processes (0 or 1), with one library."""

    def __init__(self, library):
        self._client = LIBRARIES[library]()

    async def join(self, port, room, name):
        self.name = name
        url = f"ws://127.0.0.1:{port}/ws/{room}/?name={name}"
        await asyncio.wait_for(self._client.connect(url, f"http://127.0.0.1:{port}"), DEADLINE)
        self.id = (await self.sees("welcome", name))["id"]
        await self.sees("joined", name)

    async def say(self, text):
        await self._client.send(json.dumps({"text": text}))

    async def next_event(self):
        return json.loads(await asyncio.wait_for(self._client.receive(), scaled(DEADLINE)))

    async def sees(self, event, name, **content):
        """Takes the next event, which must be that one."""
        seen = await self.next_event()
        expected = {"event": event, "name": name, **content}
        assert {key: seen.get(key) for key in expected} == expected
        return seen

    async def leave(self):
        await self._client.close()


@pytest.fixture(params=LAYERS)
def layer(request):
    return request.param


@pytest.fixture
def chat(server, tmp_path, layer):
    with Example("django_chat", server.url(), tmp_path, "--layer", layer) as example:
        yield example


@pytest_asyncio.fixture
async def user():
    users = []

    def make(library):
        users.append(User(library))
        return users[-1]

    yield make
    for each in users:
        with contextlib.suppress(Exception):
            await each.leave()


@pytest.mark.timeout(400)
@pytest.mark.parametrize("library", LIBRARIES)
async def test_users_on_different_processes_talk_both_ways(chat, user, library):
    ada, ben = user(library), user(library)
    await ada.join(chat.ports[0], "lobby", "Ada")
    await ben.join(chat.ports[1], "lobby", "Ben")
    await ada.sees("joined", "Ben", server="B")
    await ben.sees("present", "Ada", server="A")
    for number in range(20):
        await ada.say(f"question {number}")
        for reader in (ada, ben):
            await reader.sees("message", "Ada", text=f"question {number}", server="A")
        await ben.say(f"answer {number} ü")
        for reader in (ada, ben):
            await reader.sees("message", "Ben", text=f"answer {number} ü", server="B")
    await ben.leave()
    await ada.sees("left", "Ben", id=ben.id)


@pytest.mark.timeout(400)
async def test_three_libraries_share_a_room_and_other_rooms_hear_nothing(chat, user):
    ada, ben, cleo = user("websocket-client"), user("websockets"), user("autobahn")
    stranger = user("websockets")
    await stranger.join(chat.ports[1], "elsewhere", "Dan")
    await ada.join(chat.ports[0], "lobby", "Ada")
    await ben.join(chat.ports[1], "lobby", "Ben")
    await ada.sees("joined", "Ben")
    await ben.sees("present", "Ada")
    await cleo.join(chat.ports[0], "lobby", "Cleo")
    for other in (ada, ben):
        await other.sees("joined", "Cleo")
    introduced = {(await cleo.next_event())["name"] for _ in range(2)}
    assert introduced == {"Ada", "Ben"}
    for speaker in (ada, ben, cleo):
        await speaker.say(f"hello from {speaker.name}")
        for reader in (ada, ben, cleo):
            await reader.sees("message", speaker.name, text=f"hello from {speaker.name}")
    await stranger.say("anybody?")
    await stranger.sees("message", "Dan", text="anybody?")


@pytest.mark.timeout(400)
async def test_the_native_layer_tells_how_many_are_in_the_room(chat, layer, user):
    def told(count):
        return count if layer == "chorale" else None

    ada, ben, cleo = user("websockets"), user("websockets"), user("websockets")
    await ada.join(chat.ports[0], "lobby", "Ada")
    await ben.join(chat.ports[1], "lobby", "Ben")
    await ada.sees("joined", "Ben", count=told(2))
    await ben.sees("present", "Ada")
    await cleo.join(chat.ports[1], "lobby", "Cleo")
    for reader in (ada, ben):
        await reader.sees("joined", "Cleo", count=told(3))
    await ben.leave()
    await ada.sees("left", "Ben", count=told(2))


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.chorale_only  # redis-py 8 ends a quiet consumer on redis-server after 5 s
async def test_a_quiet_room_stays_connected(chat, user):
    ada, ben = user("websockets"), user("websockets")
    await ada.join(chat.ports[0], "lobby", "Ada")
    await ben.join(chat.ports[1], "lobby", "Ben")
    await ada.sees("joined", "Ben")
    await ben.sees("present", "Ada")
    await asyncio.sleep(12)
    await ben.say("still there?")
    await ada.sees("message", "Ben", text="still there?")
