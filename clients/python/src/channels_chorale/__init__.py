"""The channel layer of Django Channels on a Chorale broker, and a client without event loop."""

from channels_chorale.client import Client
from channels_chorale.errors import BrokerAway, ConnectionLost, MessageTooLarge, ServerError
from channels_chorale.layer import ChoraleChannelLayer
from channels_chorale.reports import Health, HostHealth
from channels_chorale.settings import Reached

__all__ = [
    "BrokerAway",
    "ChoraleChannelLayer",
    "Client",
    "ConnectionLost",
    "Health",
    "HostHealth",
    "MessageTooLarge",
    "Reached",
    "ServerError",
]
