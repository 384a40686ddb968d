// The page's line to Flask-SocketIO: as much of Socket.IO 4 over WebSocket as a chat needs, so that
// the page loads nothing from elsewhere. Frames: 0 open, 2 ping, 3 pong, 40 connect, 42 event.
function openChat({ room, name, onEvent, onClose }) {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const socket = new WebSocket(`${scheme}://${location.host}/socket.io/?EIO=4&transport=websocket`);
  const emit = (event, data) => socket.send("42" + JSON.stringify([event, data]));
  let me = null;

  const received = ([event, data]) => {
    if (event === "welcome") me = data.id;
    if (event === "joined" && data.id !== me) emit("introduce", { to: data.id });
    onEvent({ event, ...data });
  };

  socket.onmessage = ({ data: frame }) => {
    if (frame.startsWith("42")) received(JSON.parse(frame.slice(2)));
    else if (frame.startsWith("40")) emit("join", { room, name });
    else if (frame.startsWith("0")) socket.send("40");
    else if (frame === "2") socket.send("3");
  };
  socket.onclose = onClose;
  return { say: (text) => emit("say", { text }) };
}
