"""A chat in Flask-SocketIO. `message_queue` is the broker: it links the server processes.

Nobody stores who is in a room: a newcomer is announced to the room, and each browser in it asks
its own server process to introduce it to the newcomer.
"""

import os
import re
import sys
from pathlib import Path
from typing import Any

from flask import Flask, Response, request
from flask_socketio import SocketIO, emit, join_room

EXAMPLE = Path(__file__).resolve().parent
PAGE = EXAMPLE.parent / "page" / "chat.html"
TRANSPORT = EXAMPLE / "transport.js"
SERVER_NAME = os.environ.get("SERVER_NAME", "A")
LONGEST_NAME = 30
LONGEST_TEXT = 2000

app = Flask(__name__)
socketio = SocketIO(
    app,
    message_queue=os.environ.get("REDIS_URL", "redis://127.0.0.1:6379"),
    async_mode="threading",
)
people: dict[str, dict[str, str]] = {}  # of this process, by Socket.IO session
rooms: dict[str, str] = {}


@app.get("/")
def page() -> str:
    return PAGE.read_text().replace("FRAMEWORK", "Flask-SocketIO")


@app.get("/transport.js")
def transport() -> Response:
    return Response(TRANSPORT.read_text(), mimetype="text/javascript")


@socketio.on("join")
def join(data: dict[str, Any]) -> None:
    room = str(data.get("room", ""))
    if request.sid in rooms or not re.fullmatch(r"[a-zA-Z0-9_-]{1,50}", room):
        return
    name = str(data.get("name", "")).strip()[:LONGEST_NAME] or "guest"
    me = {"id": request.sid, "name": name, "server": SERVER_NAME}
    people[request.sid] = me
    rooms[request.sid] = room
    emit("welcome", me)
    join_room(room)
    emit("joined", me, to=room)


@socketio.on("introduce")
def introduce(data: dict[str, Any]) -> None:
    if request.sid in people:
        emit("present", people[request.sid], to=str(data.get("to", "")))


@socketio.on("say")
def say(data: dict[str, Any]) -> None:
    text = str(data.get("text", "")).strip()[:LONGEST_TEXT]
    if text and request.sid in people:
        emit("message", {**people[request.sid], "text": text}, to=rooms[request.sid])


@socketio.on("disconnect")
def disconnect() -> None:
    me = people.pop(request.sid, None)
    if me:
        emit("left", me, to=rooms.pop(request.sid))


if __name__ == "__main__":
    # The development server is enough for a demonstration on this machine only.
    socketio.run(app, host="127.0.0.1", port=int(sys.argv[1]), allow_unsafe_werkzeug=True)
