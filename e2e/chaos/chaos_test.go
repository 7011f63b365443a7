package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/netflixathome/cinema/e2e/cinema"
)

const (
	viewers = 6
	// recovery is how long everything may take to work again once a fault is
	// mended: a machine of two cores starts Elasticsearch in half a minute.
	recovery = 90 * time.Second
)

// plan is what is done to the cluster, in turn: each instance is restarted, which
// nobody may notice; then quick is a few faults, full is each by itself and then
// pairs. CINEMA_CHAOS_ONLY, a regular expression, keeps those whose name it
// matches.
func plan(c *cinema.Cluster, random *rand.Rand) []disturbance {
	one := func(service string) disturbance { return killed(c, service, random.IntN(2)) }
	broker := fmt.Sprintf("kafka-%d", 1+random.IntN(3))
	kafka := []string{"kafka-1", "kafka-2", "kafka-3"}
	clickhouse := []string{"clickhouse-1", "clickhouse-2"}
	var quick []disturbance
	for _, service := range cinema.Services {
		for n := range c.Instances[service] {
			quick = append(quick, restarted(c, service, n))
		}
	}
	rolling := quick
	quick = append(quick,
		one("telemetry"), one("collectors"), one("etl"), serverKilled("postgres", "QUIT", 2*time.Second), serverKilled(broker, "KILL", 4*time.Second),
	)
	if os.Getenv("CINEMA_CHAOS") != "full" {
		return quick
	}
	list := append(rolling[:len(rolling):len(rolling)],
		one("router"), one("auth"), one("catalog"), one("admin"), one("telemetry"), one("collectors"), one("etl"), nginxKilled(c),
		serverKilled(broker, "KILL", 6*time.Second), serverKilled("clickhouse-1", "KILL", 4*time.Second), serverKilled("clickhouse-2", "KILL", 4*time.Second),
		serverKilled("redis", "KILL", 4*time.Second), serverKilled("postgres", "QUIT", 3*time.Second),
		serverKilled("minio", "KILL", 4*time.Second), serverKilled("elasticsearch", "KILL", 4*time.Second),
	)
	stores := [][]string{kafka, clickhouse, {"redis"}, {"postgres"}, {"minio"}, {"elasticsearch"}}
	for _, names := range stores {
		list = append(list, cut(names...), slowed(300*time.Millisecond, names...), silent(names...))
	}
	for _, name := range strings.Fields(os.Getenv("CINEMA_CHAOS_DISKS")) {
		list = append(list, filled(name))
	}
	for _, pair := range [][2]disturbance{
		{one("telemetry"), serverKilled(broker, "KILL", 4*time.Second)},
		{one("collectors"), serverKilled("clickhouse-1", "KILL", 4*time.Second)},
		{one("collectors"), serverKilled("postgres", "QUIT", 3*time.Second)},
		{one("etl"), serverKilled("elasticsearch", "KILL", 4*time.Second)},
		{one("etl"), serverKilled("postgres", "QUIT", 3*time.Second)},
		{one("admin"), cut("postgres")},
		{one("auth"), serverKilled("redis", "KILL", 3*time.Second)},
		{one("catalog"), cut("elasticsearch")},
		{one("router"), one("telemetry")},
		{serverKilled("postgres", "QUIT", 3*time.Second), serverKilled(broker, "KILL", 3*time.Second)},
	} {
		list = append(list, pair[0].and(pair[1]))
	}
	return list
}

func TestChaos(t *testing.T) {
	s, err := openStores()
	if err != nil {
		t.Skip(err)
	}
	seed, err := strconv.ParseUint(os.Getenv("CINEMA_CHAOS_SEED"), 10, 64)
	if err != nil {
		seed = 1
	}
	random := rand.New(rand.NewPCG(seed, seed)) //nolint:gosec // repeatable
	only, err := regexp.Compile(os.Getenv("CINEMA_CHAOS_ONLY"))
	if err != nil {
		t.Fatal("CINEMA_CHAOS_ONLY: ", err)
	}
	cluster := cinema.StartCluster(t)
	rec := newRecord()
	rec.begin("before any fault")
	ctx, cancel := context.WithTimeout(t.Context(), 45*time.Minute)
	defer cancel()
	l := &load{front: cluster.Front.URL, rec: rec, settle: make(chan struct{})}
	boss := newClient(cluster.Front.URL, "admin", 0)
	boss.password = cluster.Front.AdminPassword
	if _, err := boss.signIn(ctx); err != nil {
		t.Fatal(err)
	}
	watcher := newClient(cluster.Front.URL, "prober", 900)
	prober, err := watcher.signUp(ctx)
	if err != nil {
		t.Fatal(err)
	}
	cinema.Eventually(t, 6*time.Minute, func() error {
		l.films, err = films(ctx, watcher)
		return err
	})
	p := &probe{load: l, boss: boss, stores: s, w: &watching{load: l, c: watcher, profile: prober.Profile.ID, playing: l.films[0], session: newID()}}
	cinema.Eventually(t, 2*recovery, func() error { return p.patiently(ctx) })
	for n := range viewers {
		if err := l.viewer(ctx, n, rand.New(rand.NewPCG(seed, uint64(n)))); err != nil { //nolint:gosec // repeatable
			t.Fatal(err)
		}
	}
	l.newcomers(ctx)
	admin := newClient(cluster.Front.URL, "admin", 1)
	admin.password = boss.password
	if _, err := admin.signIn(ctx); err != nil {
		t.Fatal(err)
	}
	l.admin(ctx, admin, random)
	pause(ctx, 4*time.Second)

	for _, d := range plan(cluster, random) {
		if !only.MatchString(d.name) {
			continue
		}
		now := rec.begin(d.name)
		now.Gentle = d.gentle
		d.make(t)
		pause(ctx, d.hold)
		d.mend(t)
		mended := time.Now()
		var last error
		for last = p.works(ctx); last != nil && time.Since(mended) < recovery; last = p.works(ctx) {
			pause(ctx, time.Second) // attempts are limited by login, too
		}
		now.Recovery = time.Since(mended)
		if last != nil {
			t.Errorf("%s: not everything works %v after it was mended: %v", d.name, recovery, last)
		}
		t.Logf("%s: works again after %.1f s", d.name, now.Recovery.Seconds())
	}

	rec.begin("after all faults")
	pause(ctx, 3*time.Second)
	close(l.settle)
	l.wg.Wait()
	cinema.Eventually(t, recovery, func() error { return p.patiently(ctx) })
	boss.until = time.Time{}
	boss.fresh(ctx)
	watcher.until = time.Time{}
	watcher.fresh(ctx)
	if err := rec.check(ctx, s, watcher); err != nil {
		t.Error(err)
	}
	report(t, rec, seed)
}

func films(ctx context.Context, c *client) ([]film, error) {
	var out struct {
		Titles struct{ Edges []struct{ Node film } }
	}
	if err := c.ask(ctx, &out, `{ titles(filter: {playable: true, kinds: [FILM]}, first: 5) { edges { node { id ... on Film { playback { url } } } } } }`, nil); err != nil {
		return nil, err
	}
	var list []film
	for _, e := range out.Titles.Edges {
		list = append(list, e.Node)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("no film can be played yet")
	}
	return list, nil
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// probe tells whether everything works, the ways behind the cinema included.
type probe struct {
	load   *load
	boss   *client
	stores stores
	w      *watching
	title  titleRecord
	n      int
}

func (p *probe) works(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	c := p.w.c
	c.fresh(ctx)
	p.boss.fresh(ctx)
	for _, part := range []struct {
		name string
		ask  func() error
	}{
		// Each time from elsewhere: attempts are limited by address.
		{"sign in", func() error { p.n++; _, err := newClient(c.front, c.login, 2000+p.n).signIn(ctx); return err }},
		{"home", func() error { return home(ctx, c) }},
		{"film", func() error { return page(ctx, c, p.load.films[0].ID) }},
		{"playback", func() error { return segment(ctx, c, p.load.films[0]) }},
		{"save", func() error { return p.save(ctx) }},
		{"watch", func() error { return p.watch(ctx) }},
	} {
		if err := part.ask(); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

// patiently is works with a pause after a failure.
func (p *probe) patiently(ctx context.Context) error {
	err := p.works(ctx)
	if err != nil {
		pause(ctx, time.Second)
	}
	return err
}

// save saves a title and waits until viewers see it.
func (p *probe) save(ctx context.Context) error {
	p.n++
	year := 1900 + p.n%190
	if p.title.ID == "" {
		made, err := create(ctx, p.boss, newID(), "Probe", year)
		if err != nil {
			return err
		}
		p.title = made
	} else {
		version, err := update(ctx, p.boss, p.title.ID, p.title.Version, year)
		if codeOf(err) == "CONFLICT" {
			var out struct{ TitleRecord titleRecord }
			if err := p.boss.ask(ctx, &out, `query($id: ID!) { titleRecord(id: $id) { id version } }`, map[string]any{"id": p.title.ID}); err == nil {
				p.title = out.TitleRecord
			}
		}
		if err != nil {
			return err
		}
		p.title.Version = version
	}
	return again(ctx, func() error {
		var out struct{ Title *struct{ Version int } }
		if err := p.w.c.ask(ctx, &out, `query($id: ID!) { title(id: $id) { version } }`, map[string]any{"id": p.title.ID}); err != nil {
			return err
		}
		if out.Title == nil || out.Title.Version < p.title.Version {
			return fmt.Errorf("saved, not visible: %+v", out.Title)
		}
		return nil
	})
}

// watch records a heartbeat and waits until it is where it is counted and
// where a viewer resumes.
func (p *probe) watch(ctx context.Context) error {
	p.w.beat()
	p.w.mu.Lock()
	batch := p.w.waiting
	p.w.waiting = nil
	p.w.mu.Unlock()
	if err := p.w.record(ctx, batch); err != nil {
		return err
	}
	last := batch[len(batch)-1]
	return again(ctx, func() error {
		count, err := p.stores.events(ctx)
		if err != nil {
			return err
		}
		if count[last.id] != 1 {
			return fmt.Errorf("recorded, counted %d times", count[last.id])
		}
		var out struct {
			Title struct{ WatchState *struct{ PositionMs int } }
		}
		if err := p.w.c.ask(ctx, &out, `query($id: ID!) { title(id: $id) { ... on Film { watchState { positionMs } } } }`, map[string]any{"id": last.film}); err != nil {
			return err
		}
		if at := out.Title.WatchState; at == nil || at.PositionMs != last.position {
			return fmt.Errorf("recorded at %d, resumes at %+v", last.position, at)
		}
		return nil
	})
}

// report prints the counts, and writes them to CINEMA_CHAOS_REPORT if set. A
// loss, a double or a wrong value fails the test.
func report(t *testing.T, r *record, seed uint64) {
	var out strings.Builder
	fmt.Fprintf(&out, "seed %d\n%-52s %9s %5s %7s %5s %8s %18s %9s\n", seed, "fault", "told", "lost", "doubled", "wrong", "refused", "longest outage", "recovery")
	for _, p := range r.phases {
		fmt.Fprintf(&out, "%-52s %9d %5d %7d %5d %8d %8.1f s %-8s %7.1f s\n", p.Name, p.Acked, p.Lost, p.Doubled, p.Wrong, p.Refused, p.Outage.Seconds(), p.Outages, p.Recovery.Seconds())
		if p.Lost+p.Doubled+p.Wrong > 0 {
			t.Errorf("%s: %d lost, %d doubled, %d wrong", p.Name, p.Lost, p.Doubled, p.Wrong)
		}
		if p.Gentle && p.Refused > 0 {
			t.Errorf("%s: %d requests failed: %v", p.Name, p.Refused, p.worst(3))
		}
	}
	for _, p := range r.phases {
		for _, text := range p.worst(6) {
			fmt.Fprintf(&out, "  %s: %d × %s\n", p.Name, p.Refusals[text], text)
		}
	}
	t.Log("\n" + out.String())
	if file := os.Getenv("CINEMA_CHAOS_REPORT"); file != "" {
		if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil { //nolint:gosec // for whoever is interested
			t.Error(err)
		}
	}
}
