"""The page and the few lines of script with which it reaches this server."""

from pathlib import Path

from django.http import HttpRequest, HttpResponse
from django.urls import path

EXAMPLE = Path(__file__).resolve().parent.parent
PAGE = EXAMPLE.parent / "page" / "chat.html"
TRANSPORT = EXAMPLE / "transport.js"


def page(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(PAGE.read_text().replace("FRAMEWORK", "Django Channels"))


def transport(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(TRANSPORT.read_text(), content_type="text/javascript")


urlpatterns = [path("", page), path("transport.js", transport)]
