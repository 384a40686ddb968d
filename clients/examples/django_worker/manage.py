"""Django's commands, among them those of this example: runworker and produce."""

import os
import sys

from django.core.management import execute_from_command_line

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "thumbnails.settings")
execute_from_command_line(sys.argv)
