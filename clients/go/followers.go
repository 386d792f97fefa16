package main

import (
	"context"
	"errors"
	"time"

	launchdarkly "tidings/clients/launchdarkly"
	nethttp "tidings/clients/nethttp"
)

// The followers of docs/integrating.md, whose code stands in the folders beside this file.

func followNetHTTP(ctx context.Context, s *stream) error {
	follower := nethttp.Follower{
		URL: s.URL, Token: s.asked, LastID: s.LastEventID, Silence: time.Duration(s.SilenceMS) * time.Millisecond,
	}
	err := follower.Follow(ctx, func(event nethttp.Event) { s.event(event.Name, event.ID, event.Data) })
	var refused nethttp.Refused
	if errors.As(err, &refused) {
		s.status = int(refused)
	}
	return err
}

func followLaunchDarkly(ctx context.Context, s *stream) error {
	options := launchdarkly.Options{
		URL: s.URL, Token: s.asked, LastID: s.LastEventID, Silence: time.Duration(s.SilenceMS) * time.Millisecond,
	}
	err := launchdarkly.Follow(ctx, options, func(event launchdarkly.Event) { s.event(event.Name, event.ID, event.Data) })
	var refused launchdarkly.Refused
	if errors.As(err, &refused) {
		s.status = int(refused)
	}
	return err
}
