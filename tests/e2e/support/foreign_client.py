"""Run in a fresh network namespace: starts a server on a non-loopback address there, sends it PING
from that address, and prints the reply's line as JSON.

    python foreign_client.py ADDRESS SERVER [OPTION...]
"""

import json
import socket
import subprocess
import sys
import tempfile
import time

PORT = 6379


def connect(address: str) -> socket.socket:
    deadline = time.monotonic() + 30
    while True:
        try:
            return socket.create_connection((address, PORT), 10)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def main(address: str, server: str, *options: str) -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)
    with tempfile.TemporaryDirectory() as directory:
        process = subprocess.Popen(
            [server, "--bind", address, "--port", str(PORT), *options],
            cwd=directory,
            stdout=subprocess.DEVNULL,
        )
        try:
            with connect(address) as client:
                client.sendall(b"PING\r\n")
                print(json.dumps(client.makefile().readline().rstrip("\r\n")))
        finally:
            process.terminate()
            process.wait(30)


main(*sys.argv[1:])
