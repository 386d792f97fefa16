// Follows event streams with client libraries that other people wrote, and with the followers of docs/integrating.md: takes
// commands on standard input and prints what happens, one line of JSON each (see ../README.md). Ends with its standard input.
//
// Owns the protocol. Must never touch the network: that is the libraries' part, in the files beside this one.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"sync"
)

// command is a line of standard input: a stream to follow, a token to go on with, or a stream to close.
type command struct {
	Follow      int
	With        string
	URL         string
	Events      []string
	Token       string
	LastEventID string
	SilenceMS   int

	Renew int
	Close int
}

// stream is one that is followed, and where its reports go.
type stream struct {
	command
	cancel context.CancelFunc

	mutex  sync.Mutex
	token  string
	status int
	closed bool
}

// libraries follow a stream until its context ends or they give up.
var libraries = map[string]func(context.Context, *stream) error{
	"r3labs/sse":               r3labs,
	"tmaxmax/go-sse":           tmaxmax,
	"launchdarkly/eventsource": launchDarkly,
	"donovanhide/eventsource":  donovanhide,
	"net/http":                 netHTTP,
	"follower net/http":        followNetHTTP,
	"follower launchdarkly":    followLaunchDarkly,
}

func main() {
	streams := map[int]*stream{}
	commands := bufio.NewScanner(os.Stdin)
	for commands.Scan() {
		var next command
		if err := json.Unmarshal(commands.Bytes(), &next); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		switch {
		case next.Follow != 0:
			ctx, cancel := context.WithCancel(context.Background())
			one := &stream{command: next, cancel: cancel, token: next.Token}
			streams[next.Follow] = one
			go one.follow(ctx)
		case next.Renew != 0:
			streams[next.Renew].renew(next.Token)
		case next.Close != 0:
			streams[next.Close].close()
			delete(streams, next.Close)
		}
	}
}

func (s *stream) follow(ctx context.Context) {
	err := libraries[s.With](ctx, s)
	s.failed(err)
	s.say(map[string]any{"exit": 1})
}

// opened says that a connection was accepted as an event stream.
func (s *stream) opened() {
	s.say(map[string]any{"open": true})
}

// event shows an event, if its name is wanted.
func (s *stream) event(name, id, data string) {
	if slices.Contains(s.Events, name) {
		s.say(map[string]any{"event": name, "id": id, "data": data})
	}
}

// failed says that a connection failed or ended, and with which status, if it was answered with one that opens no stream.
func (s *stream) failed(err error) {
	line := map[string]any{"error": "no reason given"}
	if err != nil {
		line["error"] = err.Error()
	}
	s.mutex.Lock()
	if s.status != 0 {
		line["status"] = s.status
	}
	s.mutex.Unlock()
	s.say(line)
}

// asked says that the follower asked for its token, which it does before each connection, and returns that.
func (s *stream) asked() (string, error) {
	s.say(map[string]any{"asked": true})
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.token, nil
}

func (s *stream) renew(token string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.token = token
}

func (s *stream) close() {
	s.mutex.Lock()
	s.closed = true
	s.mutex.Unlock()
	s.cancel()
}

// One line at a time.
var output sync.Mutex

func (s *stream) say(line map[string]any) {
	s.mutex.Lock()
	closed := s.closed
	s.mutex.Unlock()
	if closed {
		return
	}
	line["stream"] = s.Follow
	bytes, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	output.Lock()
	defer output.Unlock()
	os.Stdout.Write(append(bytes, '\n'))
}
