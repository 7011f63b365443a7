package engines

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netflixathome/cinema/engines/child"
	"github.com/netflixathome/cinema/engines/clickhouse"
	"github.com/netflixathome/cinema/internal/fault"
)

// scripted is an engine whose life the test writes. What the real ones do is
// tested with the real ones; this is for what they do not do on request.
type scripted struct {
	ready chan struct{}
	run   func(ctx context.Context, ready func()) error
}

func script(run func(ctx context.Context, ready func()) error) *scripted {
	return &scripted{ready: make(chan struct{}), run: run}
}

func (s *scripted) Run(ctx context.Context) error {
	return s.run(ctx, func() { close(s.ready) })
}
func (s *scripted) Ready() <-chan struct{}      { return s.ready }
func (s *scripted) State() child.State          { return child.State{Phase: child.Running} }
func (s *scripted) Check(context.Context) error { return nil }

func healthy(ctx context.Context, ready func()) error {
	ready()
	<-ctx.Done()
	return nil
}

func newSet(t *testing.T) (*Set, string) {
	t.Helper()
	dir := t.TempDir()
	lock, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	return &Set{log: slog.New(slog.DiscardHandler), lock: lock}, dir
}

// free fails unless the data folder can be taken again.
func free(t *testing.T, dir string) {
	t.Helper()
	l, err := Lock(dir)
	if err != nil {
		t.Error(err)
		return
	}
	_ = l.Unlock()
}

func TestGoesOnWithoutClickHouse(t *testing.T) {
	why := fault.New(fault.Unavailable, "no AVX2 here").WithReason(clickhouse.ReasonUnsupported)
	s, dir := newSet(t)
	s.clickhouse = &clickhouse.Server{}
	err := s.start(t.Context(), []*running{
		{name: Postgres, eng: script(healthy)},
		{name: ClickHouse, eng: script(func(context.Context, func()) error { return why })},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.ClickHouse(); !errors.Is(err, why) {
		t.Errorf("the reason is %v", err)
	}
	health := s.Health(t.Context())
	if len(health) != 2 || health[0].Off || !health[1].Off || !errors.Is(health[1].Err, why) {
		t.Errorf("%+v", health)
	}
	// Its absence is no end by itself.
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	select {
	case err := <-ended:
		t.Fatalf("Run returned: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	free(t, dir)
}

func TestStartIsBounded(t *testing.T) {
	s, dir := newSet(t)
	stopped := false
	ctx, cancel := context.WithCancel(t.Context())
	err := s.start(ctx, []*running{
		{name: Postgres, eng: script(func(ctx context.Context, ready func()) error {
			err := healthy(ctx, ready)
			stopped = true
			return err
		})},
		{name: Kafka, eng: script(func(ctx context.Context, _ func()) error {
			cancel() // and never ready
			<-ctx.Done()
			return nil
		})},
	})
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), Kafka) {
		t.Errorf("got %v", err)
	}
	if !stopped {
		t.Error("the other engine runs on")
	}
	free(t, dir)
}

func TestEngineThatEndsForGood(t *testing.T) {
	s, dir := newSet(t)
	broke := errors.New("the disk has melted")
	die := make(chan struct{})
	err := s.start(t.Context(), []*running{
		{name: Postgres, eng: script(healthy)},
		{name: Kafka, eng: script(func(_ context.Context, ready func()) error {
			ready()
			<-die
			return broke
		})},
	})
	if err != nil {
		t.Fatal(err)
	}
	close(die)
	if err := s.Run(t.Context()); !errors.Is(err, broke) {
		t.Errorf("got %v", err)
	}
	free(t, dir)
}

func TestStopsInReverse(t *testing.T) {
	s, _ := newSet(t)
	var order []string
	var list []*running
	for _, name := range []string{Postgres, ClickHouse, Kafka} {
		list = append(list, &running{name: name, eng: script(func(ctx context.Context, ready func()) error {
			err := healthy(ctx, ready)
			order = append(order, name)
			return err
		})})
	}
	if err := s.start(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	for range 2 { // a second call only waits
		if err := s.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if want := []string{Kafka, ClickHouse, Postgres}; !slices.Equal(order, want) {
		t.Errorf("order %v", order)
	}
}
