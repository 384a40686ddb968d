"""Channels' runworker with another worker."""

from channels.management.commands.runworker import Command as RunWorker

from thumbnails.worker import OneAtATimeWorker


class Command(RunWorker):
    worker_class = OneAtATimeWorker
