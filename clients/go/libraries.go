package main

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"time"

	donovan "github.com/donovanhide/eventsource"
	launch "github.com/launchdarkly/eventsource"
	r3 "github.com/r3labs/sse/v2"
	tmax "github.com/tmaxmax/go-sse"
)

// Each library as it comes: nothing here comes back for it, looks at a status for it or changes a default, or the tests
// would prove something about this file.

func r3labs(ctx context.Context, s *stream) error {
	client := r3.NewClient(s.URL)
	client.Connection = s.client()
	if s.Token != "" {
		client.Headers["Authorization"] = "Bearer " + s.Token
	}
	if s.LastEventID != "" {
		client.LastEventID.Store([]byte(s.LastEventID))
	}
	client.ReconnectNotify = func(err error, _ time.Duration) { s.failed(err) }
	return client.SubscribeRawWithContext(ctx, func(event *r3.Event) {
		s.event(named(string(event.Event)), string(event.ID), string(event.Data))
	})
}

func tmaxmax(ctx context.Context, s *stream) error {
	client := tmax.Client{
		HTTPClient: s.client(),
		OnRetry:    func(err error, _ time.Duration) { s.failed(err) },
	}
	connection := client.NewConnection(s.request(ctx))
	connection.SubscribeToAll(func(event tmax.Event) {
		s.event(named(event.Type), event.LastEventID, event.Data)
	})
	return connection.Connect()
}

func launchDarkly(ctx context.Context, s *stream) error {
	stream, err := launch.SubscribeWithRequestAndOptions(s.request(ctx),
		launch.StreamOptionHTTPClient(s.client()), launch.StreamOptionLastEventID(s.LastEventID))
	if err != nil {
		return err
	}
	// Nobody comes back while a channel is not read.
	for {
		select {
		case event := <-stream.Events:
			s.event(named(event.Event()), event.Id(), event.Data())
		case err := <-stream.Errors:
			s.failed(err)
		case <-ctx.Done():
			stream.Close()
			return nil
		}
	}
}

func donovanhide(ctx context.Context, s *stream) error {
	stream, err := donovan.SubscribeWith(s.LastEventID, s.client(), s.request(ctx))
	if err != nil {
		return err
	}
	for {
		select {
		case event := <-stream.Events:
			s.event(named(event.Event()), event.Id(), event.Data())
		case err := <-stream.Errors:
			s.failed(err)
		case <-ctx.Done():
			// It ends with its request. Close would make it panic if it is about to come back.
			return nil
		}
	}
}

// netHTTP reads the lines of one connection with net/http and bufio.Scanner, as they come.
func netHTTP(ctx context.Context, s *stream) error {
	request := s.request(ctx)
	request.Header.Set("Accept", "text/event-stream")
	answer, err := s.client().Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if s.status != 0 {
		return nil
	}
	var name, id, data string
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "event":
			name = value
		case "id":
			id = value
		case "data":
			data = value
		case "":
			if lines.Text() == "" {
				s.event(named(name), id, data)
				name, id, data = "", "", ""
			}
		}
	}
	return lines.Err()
}

func named(name string) string {
	if name == "" {
		return "message"
	}
	return name
}

func (s *stream) request(ctx context.Context) *http.Request {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if err != nil {
		panic(err)
	}
	if s.Token != "" {
		request.Header.Set("Authorization", "Bearer "+s.Token)
	}
	if s.LastEventID != "" {
		request.Header.Set("Last-Event-ID", s.LastEventID)
	}
	return request
}

func (s *stream) client() *http.Client {
	return &http.Client{Transport: watched{s, http.DefaultTransport.(*http.Transport).Clone()}}
}

// watched tells what not every library does: that a connection was accepted as an event stream, and with which status it
// was not. It hands on what the library asks and what the server answers.
type watched struct {
	stream *stream
	next   http.RoundTripper
}

func (w watched) RoundTrip(request *http.Request) (*http.Response, error) {
	answer, err := w.next.RoundTrip(request)
	status := 0
	if err == nil && (answer.StatusCode != 200 || !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/event-stream")) {
		status = answer.StatusCode
	}
	w.stream.mutex.Lock()
	w.stream.status = status
	w.stream.mutex.Unlock()
	if err == nil && status == 0 {
		w.stream.opened()
	}
	return answer, err
}
