"""Stop accepting connections while those that are open go on: what granian cannot do, done to its listening sockets.

Closing a listener resets connections that wait to be accepted, and their requests with them. A filter that drops what
arrives at the listener (new connections only: open ones have sockets of their own) lets the queue be emptied first.
Linux; elsewhere nothing is dropped and the listener is simply closed later.
"""

import ctypes
import os
import socket
import struct
import sys
from pathlib import Path

_SO_ATTACH_FILTER = 26
# One instruction of the classic packet filter, "return 0": keep no byte of any packet.
_DROP_ALL = struct.pack("HBBI", 0x06, 0, 0, 0)


def turn_away(port: int) -> int:
    """Let no new connection reach this process's listeners on `port`; how many listeners that were."""
    if sys.platform != "linux":
        return 0
    program = ctypes.create_string_buffer(_DROP_ALL)
    option = struct.pack("HL", 1, ctypes.addressof(program))
    listeners = _listeners(port)
    for each in listeners:
        with each:
            each.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, option)
    return len(listeners)


def _listeners(port: int) -> list[socket.socket]:
    """Duplicates of this process's listening TCP sockets on a port."""
    found: list[socket.socket] = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            held = socket.socket(fileno=os.dup(int(entry.name)))
        except OSError:
            # Not a socket, or closed since the directory was read.
            continue
        if _is_listener(held, port):
            found.append(held)
        else:
            held.close()
    return found


def _is_listener(held: socket.socket, port: int) -> bool:
    if held.family not in (socket.AF_INET, socket.AF_INET6) or held.type != socket.SOCK_STREAM:
        return False
    listens = held.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
    return listens and held.getsockname()[1] == port
