package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// server is one of a cluster's servers, or a few that make one: three brokers,
// two shards.
type server interface {
	Name() string
	// Start returns when the server answers in its own protocol. An error
	// shows the end of its log.
	Start(ctx context.Context) error
	// Stop ends what Start began, however far that came.
	Stop()
	// Env is how tests find it, valid after Start.
	Env() []string
}

// fetcher is a server whose programs may have to be fetched first, which has
// a patience of its own.
type fetcher interface {
	Fetch(ctx context.Context) error
}

// servers are all of them, in the order of starting. Those that take longest
// come first.
func servers(s *site) []server {
	return []server{
		&elasticsearch{site: s}, &kafka{site: s}, &postgres{site: s}, &clickhouse{site: s}, &minio{site: s}, &redis{site: s},
	}
}

// others are servers that no adapter needs: they are started when they are named.
func others(s *site) []server { return []server{&jaeger{site: s}} }

// start fetches what is missing, one after the other, since that is work for
// all cores, then starts the servers at once and waits for all of them.
func start(ctx context.Context, list []server) error {
	for _, v := range list {
		if f, ok := v.(fetcher); ok {
			bounded, cancel := context.WithTimeout(ctx, fetchTimeout)
			err := f.Fetch(bounded)
			cancel()
			if err != nil {
				return fmt.Errorf("%s: %w", v.Name(), err)
			}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	began := time.Now()
	errs := make([]error, len(list))
	var wg sync.WaitGroup
	for i, v := range list {
		wg.Go(func() {
			if err := v.Start(ctx); err != nil {
				errs[i] = fmt.Errorf("%s: %w", v.Name(), err)
				cancel() // the others need not go on
				return
			}
			say("%s answers after %.1f s", v.Name(), time.Since(began).Seconds())
		})
	}
	wg.Wait()
	// Of those that were only called off nobody needs to hear.
	if genuine := slices.DeleteFunc(slices.Clone(errs), func(err error) bool { return errors.Is(err, context.Canceled) }); errors.Join(genuine...) != nil {
		return errors.Join(genuine...)
	}
	return errors.Join(errs...)
}

// stop ends the servers, the last one first.
func stop(list []server) {
	began := time.Now()
	for _, v := range slices.Backward(list) {
		v.Stop()
	}
	say("stopped after %.1f s", time.Since(began).Seconds())
}
