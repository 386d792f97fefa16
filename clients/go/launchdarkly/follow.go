// Package follow follows a Tidings stream with github.com/launchdarkly/eventsource.
package follow

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/launchdarkly/eventsource"
)

// Event is one event. Keep its ID together with what you did about it: Follow goes on behind it.
type Event struct{ ID, Name, Data string }

// Refused is a status that no retry changes. After 401, get a new token first.
type Refused int

func (status Refused) Error() string { return fmt.Sprintf("refused with %d", int(status)) }

// Options say what to follow.
type Options struct {
	URL     string
	Token   func() (string, error) // asked before each connection, so that `expired` needs no code
	LastID  string                 // where to begin: the ID of the last event that was handled, or nothing
	Silence time.Duration          // three heartbeat intervals: 75 s, unless HEARTBEAT_INTERVAL was changed
}

// Follow hands each event to handle, and returns when ctx ends or the server refuses for good.
func Follow(ctx context.Context, options Options, handle func(Event)) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, options.URL, nil)
	if err != nil {
		return err
	}
	var refused error
	// By itself the library asks for ever after a 401, and waits for ever in the channel of errors if nobody reads that.
	onError := func(err error) eventsource.StreamErrorHandlerResult {
		var answer eventsource.SubscriptionError
		if errors.As(err, &answer) {
			switch answer.Code {
			case 400, 401, 403, 404, 406:
				refused = Refused(answer.Code)
			}
		}
		return eventsource.StreamErrorHandlerResult{CloseNow: refused != nil || ctx.Err() != nil}
	}
	stream, err := eventsource.SubscribeWithRequestAndOptions(request,
		eventsource.StreamOptionHTTPClient(client(options)),
		eventsource.StreamOptionLastEventID(options.LastID),
		eventsource.StreamOptionReadTimeout(options.Silence), // there is none by default
		eventsource.StreamOptionCanRetryFirstConnection(-1),  // by default the first failure is the last
		eventsource.StreamOptionErrorHandler(onError),
	)
	if err == nil {
		for event := range stream.Events {
			handle(Event{ID: event.Id(), Name: event.Event(), Data: event.Data()})
		}
		err = ctx.Err()
	}
	if refused != nil {
		return refused
	}
	return err
}

func client(options Options) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	// HTTP/1.1 gives a stream a connection of its own, which ends with it. Over HTTP/2 the next request would go into the
	// same connection again, even if nobody is at its other end any more.
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetHTTP1(true)
	// The library's read timeout begins behind the head.
	transport.ResponseHeaderTimeout = options.Silence
	return &http.Client{
		Transport: bearer{options.Token, transport},
		// The token is for this server alone.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// bearer adds the token of the moment to each request: the library sends the same request again and again.
type bearer struct {
	token func() (string, error)
	next  http.RoundTripper
}

func (b bearer) RoundTrip(request *http.Request) (*http.Response, error) {
	token, err := b.token()
	if err != nil {
		return nil, err
	}
	request = request.Clone(request.Context())
	request.Header.Set("Authorization", "Bearer "+token)
	return b.next.RoundTrip(request)
}
