"""Follows an event stream with httpx-sse, which reads one connection, in a loop around it.

Owns that loop and nothing of the protocol. It is the one that the library's documentation shows ("Handling
reconnections"), but for what it goes on after: there `httpx.ReadError` only, which is what a reset raises; a body without
its end raises `httpx.RemoteProtocolError`, and a finished one raises nothing. So it reports which, and goes on after each.
"""

import sys
import time

import httpx
from httpx_sse import connect_sse

from following import GAVE_UP, Countdown, headers, is_event_stream, read_arguments, say, start_time_limit

# The documentation's loop comes back at once until the server names a `retry`; a floor keeps a refusing port from being
# hammered, and a ceiling on failures in a row ends it before the time limit does.
SHORTEST_DELAY = 0.05
FAILURES_IN_A_ROW = 100


def main():
    arguments = read_arguments(__doc__.partition("\n")[0])
    start_time_limit(arguments.timeout_ms)
    countdown = Countdown(arguments.events, arguments.count)
    last_event_id = arguments.last_event_id
    delay = 0.0
    failures = 0
    # Reads wait for as long as the stream is silent: the time limit is the process's. Without `trust_env` a proxy named
    # in the environment stays out of the way.
    with httpx.Client(timeout=httpx.Timeout(10, read=None), trust_env=False) as client:
        while failures < FAILURES_IN_A_ROW:
            try:
                sent = headers(arguments.token, last_event_id)
                with connect_sse(client, "GET", arguments.url, headers=sent) as source:
                    response = source.response
                    if not is_event_stream(response.status_code, response.headers.get("content-type", "")):
                        say(error="not an event stream", status=response.status_code)
                        sys.exit(GAVE_UP)
                    say(open=True)
                    failures = 0
                    for event in source.iter_sse():
                        # As documented, also when it is empty: on each connection the library shows an empty id until
                        # the server has sent one.
                        last_event_id = event.id
                        if event.retry is not None:
                            delay = event.retry / 1000
                        countdown.take(event)
                say(error="no reason given")
            except httpx.TransportError as error:
                failures += 1
                say(error=f"{type(error).__name__}: {error}")
            time.sleep(max(delay, SHORTEST_DELAY))
    sys.exit(GAVE_UP)


main()
