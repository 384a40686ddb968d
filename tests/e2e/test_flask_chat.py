"""The Flask-SocketIO example: users on different server processes, python-socketio clients."""

import asyncio
import queue

import pytest
import pytest_asyncio
import socketio

from support.examples import Example
from support.waiting import scaled, wait_until

DEADLINE = 10.0
EVENTS = ("welcome", "joined", "present", "left", "message")

# A polling client that disconnects while a POST of its is under way never says goodbye: its writer
# ends with that POST, and the server misses the client only when the pings time out (45 s). A
# message can come back before its own POST is answered, so users wait for their POSTs.


class AsyncUser:
    """socketio.AsyncClient."""

    def __init__(self, transport):
        self._transports = [transport]
        self._client = socketio.AsyncClient(reconnection=False)
        self._events = asyncio.Queue()
        for event in EVENTS:
            self._client.on(event, self._keep(event))

    def _keep(self, event):
        async def handler(data):
            self._events.put_nowait({"event": event, **data})

        return handler

    async def connect(self, port):
        await self._client.connect(f"http://127.0.0.1:{port}", transports=self._transports)

    async def emit(self, event, data):
        await self._client.emit(event, data)

    async def next_event(self):
        return await asyncio.wait_for(self._events.get(), scaled(DEADLINE))

    async def leave(self):
        if self._client.connected:
            await asyncio.wait_for(self._client.eio.queue.join(), scaled(DEADLINE))
        await self._client.disconnect()


class ThreadUser:
    """socketio.Client, which brings threads of its own."""

    def __init__(self, transport):
        self._transports = [transport]
        self._client = socketio.Client(reconnection=False)
        self._events = queue.Queue()
        for event in EVENTS:
            self._client.on(event, self._keep(event))

    def _keep(self, event):
        return lambda data: self._events.put({"event": event, **data})

    async def connect(self, port):
        url = f"http://127.0.0.1:{port}"
        await asyncio.to_thread(self._client.connect, url, transports=self._transports)

    async def emit(self, event, data):
        await asyncio.to_thread(self._client.emit, event, data)

    async def next_event(self):
        return await asyncio.to_thread(self._events.get, timeout=scaled(DEADLINE))

    async def leave(self):
        if self._client.connected:
            posts = self._client.eio.queue
            await asyncio.to_thread(wait_until, lambda: posts.unfinished_tasks == 0, DEADLINE)
        await asyncio.to_thread(self._client.disconnect)


CLIENTS = {"AsyncClient": AsyncUser, "Client": ThreadUser}


class User:
    """Someone in a room; introduces itself to newcomers as the example's page does."""

    def __init__(self, client):
        self._client = client

    async def join(self, port, room, name):
        self.name = name
        await self._client.connect(port)
        await self._client.emit("join", {"room": room, "name": name})
        self.id = (await self.sees("welcome", name))["id"]
        await self.sees("joined", name)

    async def say(self, text):
        await self._client.emit("say", {"text": text})

    async def introduce(self, other):
        await self._client.emit("introduce", {"to": other.id})

    async def sees(self, event, name, **content):
        """Takes the next event, which must be that one."""
        seen = await self._client.next_event()
        expected = {"event": event, "name": name, **content}
        assert {key: seen.get(key) for key in expected} == expected
        return seen

    async def leave(self):
        await self._client.leave()


@pytest.fixture
def chat(server, tmp_path):
    with Example("flask_chat", server.url(), tmp_path) as example, server.connect() as raw:
        for port in example.ports:  # a process subscribes when its first user connects
            with socketio.SimpleClient() as visitor:
                visitor.connect(f"http://127.0.0.1:{port}")
        linked = [b"flask-socketio", 2]
        wait_until(lambda: raw.command("PUBSUB", "NUMSUB", "flask-socketio") == linked)
        yield example


@pytest_asyncio.fixture
async def user():
    users = []

    def make(client, transport="websocket"):
        users.append(User(CLIENTS[client](transport)))
        return users[-1]

    yield make
    for each in users:
        await each.leave()


async def meet(ada, ben, ports, room="lobby"):
    """Ada enters on the first server process, then Ben on the second one."""
    await ada.join(ports[0], room, "Ada")
    await ben.join(ports[1], room, "Ben")
    await ada.sees("joined", "Ben", server="B")
    await ada.introduce(ben)
    await ben.sees("present", "Ada", server="A")


@pytest.mark.timeout(400)
@pytest.mark.parametrize("transport", ["websocket", "polling"])
@pytest.mark.parametrize("client", CLIENTS)
async def test_users_on_different_processes_talk_both_ways(chat, user, client, transport):
    ada, ben = user(client, transport), user(client, transport)
    await meet(ada, ben, chat.ports)
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
async def test_another_room_hears_nothing(chat, user):
    stranger, ada, ben = (user("AsyncClient") for _ in range(3))
    await stranger.join(chat.ports[1], "elsewhere", "Dan")
    await meet(ada, ben, chat.ports)
    await ada.say("hello")
    await ben.sees("message", "Ada", text="hello")
    await stranger.say("anybody?")
    await stranger.sees("message", "Dan", text="anybody?")


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_a_quiet_room_stays_linked(chat, user):
    ada, ben = user("AsyncClient"), user("AsyncClient")
    await meet(ada, ben, chat.ports)
    await asyncio.sleep(12)
    await ben.say("still there?")
    await ada.sees("message", "Ben", text="still there?")
    assert "Cannot receive from redis" not in chat.log
