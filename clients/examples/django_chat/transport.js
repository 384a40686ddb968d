// The page's line to the Django Channels consumer: a WebSocket that carries JSON.
function openChat({ room, name, onEvent, onClose }) {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const query = new URLSearchParams({ name });
  const socket = new WebSocket(`${scheme}://${location.host}/ws/${room}/?${query}`);
  socket.onmessage = (frame) => onEvent(JSON.parse(frame.data));
  socket.onclose = onClose;
  return { say: (text) => socket.send(JSON.stringify({ text })) };
}
