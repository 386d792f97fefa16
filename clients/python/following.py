"""What both programs here share: the arguments, the lines they print and the hard time limit.

Must never touch the network: that is the libraries' part, in the programs beside this file.
"""

import argparse
import json
import os
import sys
import threading

GAVE_UP = 1
TIMED_OUT = 3


def read_arguments(description):
    """The command line; argparse exits with status 2 when it is wrong."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("url")
    parser.add_argument("--token", help="sent as Authorization: Bearer")
    parser.add_argument("--last-event-id", default="", help="where the first connection resumes")
    parser.add_argument("--events", default="message", type=lambda names: names.split(","))
    parser.add_argument("--count", default=1, type=positive)
    parser.add_argument("--timeout-ms", default=30_000, type=positive)
    return parser.parse_args()


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"a whole number from 1 is needed, not {text}")
    return number


def headers(token, last_event_id):
    """The request's headers; a name without a value is left out."""
    named = {
        "Authorization": f"Bearer {token}" if token else "",
        "Last-Event-ID": last_event_id,
    }
    return {name: value for name, value in named.items() if value}


def is_event_stream(status, content_type):
    return status == 200 and content_type.partition(";")[0].strip() == "text/event-stream"


def say(**line):
    """Prints one line of JSON and flushes it."""
    print(json.dumps(line, ensure_ascii=False, separators=(",", ":")), flush=True)


def start_time_limit(milliseconds):
    """Ends the process with status 3, wherever it hangs. A blocked read takes no exception from another thread,
    hence `os._exit`; every line has been flushed by then."""
    timer = threading.Timer(milliseconds / 1000, os._exit, [TIMED_OUT])
    timer.daemon = True
    timer.start()


class Countdown:
    """Prints the events with a wanted name and exits with status 0 after the last one wanted."""

    def __init__(self, names, count):
        self.names = names
        self.remaining = count

    def take(self, event):
        if event.event not in self.names:
            return
        say(event=event.event, id=event.id or "", data=event.data)
        self.remaining -= 1
        if self.remaining == 0:
            sys.exit(0)
