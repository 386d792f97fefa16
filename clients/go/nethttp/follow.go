// Package follow follows a Tidings stream with net/http alone.
package follow

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Event is one event. Keep its ID together with what you did about it: a Follower goes on behind it.
type Event struct{ ID, Name, Data string }

// Refused is a status that no retry changes. After 401, get a new token first.
type Refused int

func (status Refused) Error() string { return fmt.Sprintf("refused with %d", int(status)) }

// Follower follows one stream.
type Follower struct {
	URL     string
	Token   func() (string, error) // asked before each connection, so that `expired` needs no code
	LastID  string                 // where to begin: the ID of the last event that was handled, or nothing
	Silence time.Duration          // three heartbeat intervals: 75 s, unless HEARTBEAT_INTERVAL was changed
	retry   time.Duration
}

// Follow hands each event to handle, and returns when ctx ends or the server refuses for good.
func (f *Follower) Follow(ctx context.Context, handle func(Event)) error {
	f.retry = 3 * time.Second
	for {
		var refused Refused
		if errors.As(f.connect(ctx, handle), &refused) {
			return refused
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(f.retry + rand.N(time.Second)):
		}
	}
}

// connect reads one connection. Whatever ends it is the same to us: a cut on purpose, an expired token, the network.
func (f *Follower) connect(ctx context.Context, handle func(Event)) error {
	token, err := f.Token()
	if err != nil {
		return err
	}
	// net/http has no timeout for a single read. This one covers the wait for the head, too.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watchdog := time.AfterFunc(f.Silence, cancel)
	defer watchdog.Stop()

	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.URL, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "text/event-stream")
	request.Header.Set("Authorization", "Bearer "+token)
	if f.LastID != "" {
		request.Header.Set("Last-Event-ID", f.LastID)
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	switch answer.StatusCode {
	case 200:
	case 400, 401, 403, 404, 406:
		return Refused(answer.StatusCode)
	default:
		return fmt.Errorf("answered %d", answer.StatusCode)
	}

	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 512<<10) // an event's data is one line of up to 251 KiB; 64 KiB, the default, end it for good
	var event Event
	var data []string
	for lines.Scan() {
		watchdog.Reset(f.Silence)
		name, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case lines.Text() == "": // only now is the event complete, and only now does its id count
			watchdog.Stop() // what the handler does may take longer
			if data != nil {
				event.Data = strings.Join(data, "\n")
				handle(event)
			}
			if event.ID != "" {
				f.LastID = event.ID
			}
			event, data = Event{}, nil
			watchdog.Reset(f.Silence)
		case name == "event":
			event.Name = value
		case name == "data":
			data = append(data, value)
		case name == "id":
			event.ID = value
		case name == "retry":
			if milliseconds, err := strconv.Atoi(value); err == nil {
				f.retry = time.Duration(milliseconds) * time.Millisecond
			}
		}
	}
	return lines.Err()
}

// HTTP/1.1 gives a stream a connection of its own, which ends with it. Over HTTP/2 the next request would go into the same
// connection again, even if nobody is at its other end any more.
var client = func() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetHTTP1(true)
	return &http.Client{Transport: transport}
}()
