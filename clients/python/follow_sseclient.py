"""Follows one connection of an event stream with sseclient-py over requests.

Owns one request and nothing of the protocol. Must never reconnect: the library does not, and its documentation shows no
loop.
"""

import sys

import requests
from sseclient import SSEClient

from following import GAVE_UP, Countdown, headers, is_event_stream, read_arguments, say, start_time_limit


def main():
    arguments = read_arguments(__doc__.partition("\n")[0])
    start_time_limit(arguments.timeout_ms)
    countdown = Countdown(arguments.events, arguments.count)
    sent = {"Accept": "text/event-stream", **headers(arguments.token, arguments.last_event_id)}
    session = requests.Session()
    # A proxy named in the environment stays out of the way.
    session.trust_env = False
    try:
        with session.get(arguments.url, stream=True, headers=sent, timeout=(10, None)) as response:
            if not is_event_stream(response.status_code, response.headers.get("content-type", "")):
                say(error="not an event stream", status=response.status_code)
                sys.exit(GAVE_UP)
            say(open=True)
            for event in SSEClient(response).events():
                countdown.take(event)
        say(error="no reason given")
    except requests.RequestException as error:
        say(error=f"{type(error).__name__}: {error}")
    sys.exit(GAVE_UP)


main()
