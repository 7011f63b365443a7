package load

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/netflixathome/cinema/schema"
)

// LoginPrefix begins the login of every account that a run makes.
const LoginPrefix = "load-"

// Bounds of a run.
const (
	maxViewers = 20_000
	maxFor     = 24 * time.Hour
	maxSpeed   = 100
	// giveUpAfter is how long nothing may go well before a run ends by itself.
	giveUpAfter = 30 * time.Second
	// lastWords bounds what a run does after its end: to remove its accounts.
	lastWords = 10 * time.Second
)

// Options of Run.
type Options struct {
	// URL is the public address.
	URL string
	// Owned says that the server is one's own, so that it need not be here.
	Owned bool
	// Viewers is how many there are at once, Ramp over what time they come, For
	// how long the run lasts in all.
	Viewers   int
	Ramp, For time.Duration
	// Speed is by how much viewers think and watch faster than people.
	Speed float64
	// Seed makes their behaviour the same again.
	Seed uint64
	// Connections bounds the connections for requests; each viewer who watches
	// holds one WebSocket more. 4 per viewer, at most 2,000, if zero.
	Connections int
	// Spread gives each viewer an address of its own in X-Forwarded-For. The
	// server believes it only from a proxy that it trusts.
	Spread bool
	// AdminLogin and AdminPassword are of an account that may make synthetic
	// viewers; without a password, Unmarked must be set.
	AdminLogin, AdminPassword string
	// Unmarked makes accounts like any other: what they do counts as real.
	Unmarked bool
	// KeepAccounts leaves the accounts when the run ends.
	KeepAccounts bool
	// Model is how viewers behave; Evening if zero.
	Model Model
	// GiveUp is 30 s if zero.
	GiveUp time.Duration
}

// check reports every fault at once.
func (o *Options) check() error {
	var faults []error
	need := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	need(o.Viewers >= 1 && o.Viewers <= maxViewers, "-viewers must be from 1 to %d", maxViewers)
	need(o.For > 0 && o.For <= maxFor, "-for must be from a moment to %s", maxFor)
	need(o.Ramp >= 0 && o.Ramp < o.For, "-ramp must be shorter than -for")
	need(o.Speed > 0 && o.Speed <= maxSpeed, "-speed must be above 0, at most %d", maxSpeed)
	need(o.Connections >= 0, "-connections must not be negative")
	need(o.AdminPassword != "" || o.Unmarked,
		"viewers are made as synthetic ones with an administrator's leave: set CINEMA_LOAD_ADMIN_PASSWORD, or say -unmarked and let what they do count as real")
	return errors.Join(faults...)
}

// Run drives viewers until the time is over, ctx ends or the server has gone
// away. It tells of its progress on progress, and returns the report of what
// there was in each case; the error says why it could not begin or go on.
func Run(ctx context.Context, o Options, progress io.Writer) (*Report, error) {
	if o.Model == (Model{}) {
		o.Model = Evening
	}
	if o.Connections == 0 {
		o.Connections = min(4*o.Viewers, 2000)
	}
	if o.GiveUp <= 0 {
		o.GiveUp = giveUpAfter
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	net, err := newNetwork(o.URL, o.Owned, o.Connections)
	if err != nil {
		return nil, err
	}
	defer net.close()
	ops, err := persisted()
	if err != nil {
		return nil, err
	}
	r := &runner{o: o, net: net, ops: ops, rec: newRecorder(time.Now())}
	if r.password, err = randomWord(18); err != nil {
		return nil, err
	}
	if r.name, err = randomWord(4); err != nil {
		return nil, err
	}
	if !o.Unmarked {
		r.admin = &administrator{browser: newBrowser(net, newRecorder(time.Now()), ""), ops: ops, login: o.AdminLogin, password: o.AdminPassword}
		if _, err := r.admin.leave(ctx); err != nil {
			return nil, fmt.Errorf("the administrator %q could not sign in at %s: %w", o.AdminLogin, o.URL, err)
		}
	}
	r.rec = newRecorder(time.Now())
	return r.run(ctx, progress)
}

type runner struct {
	o        Options
	net      *network
	ops      operations
	rec      *recorder
	admin    *administrator
	name     string // of the run, in its logins
	password string
	present  atomic.Int64
}

func (r *runner) run(ctx context.Context, progress io.Writer) (*Report, error) {
	inner, end := context.WithTimeout(ctx, r.o.For)
	defer end()
	var viewers sync.WaitGroup
	viewers.Go(func() { r.arrive(inner, &viewers) })
	gone := r.observe(inner, end, progress)
	viewers.Wait()
	report := r.rec.report(time.Now())
	report.URL, report.Seed, report.Viewers, report.Speed = r.o.URL, r.o.Seed, r.o.Viewers, r.o.Speed
	var err error
	switch {
	case gone:
		report.Ended = "the server went away"
		err = fmt.Errorf("nothing has gone well for %s: the run was given up", r.o.GiveUp)
	case ctx.Err() != nil:
		report.Ended = "interrupted"
	default:
		report.Ended = "time"
	}
	report.Left = r.tidy(context.WithoutCancel(ctx), gone)
	return report, err
}

// arrive lets the viewers come one by one over the ramp.
func (r *runner) arrive(ctx context.Context, viewers *sync.WaitGroup) {
	for n := range r.o.Viewers {
		if n > 0 {
			sleep(ctx, r.o.Ramp/time.Duration(r.o.Viewers))
		}
		if ctx.Err() != nil {
			return
		}
		v := r.viewer(n)
		viewers.Go(func() {
			r.present.Add(1)
			defer r.present.Add(-1)
			v.run(ctx)
		})
	}
}

func (r *runner) viewer(n int) *viewer {
	address := ""
	if r.o.Spread {
		// 198.18.0.0/15 is set aside for measurements (RFC 2544).
		address = fmt.Sprintf("198.%d.%d.%d", 18+n>>16&1, n>>8&255, n&255)
	}
	v := &viewer{
		browser: newBrowser(r.net, r.rec, address), o: &r.o, ops: r.ops, d: newDice(r.o.Seed, uint64(n)), admin: r.admin,
		login: LoginPrefix + r.name + "-" + strconv.Itoa(n), password: r.password, locale: "en",
		device: map[string]any{"kind": "desktop", "system": "Linux", "browser": userAgent},
	}
	if v.d.happens(r.o.Model.Russian) {
		v.locale = "ru"
	}
	return v
}

// observe tells of the progress until ctx ends, and ends the run when the
// server has gone away.
func (r *runner) observe(ctx context.Context, end func(), progress io.Writer) (gone bool) {
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return gone
		case now := <-every.C:
			_, _ = fmt.Fprintln(progress, r.rec.progress(int(r.present.Load()), r.o.Viewers))
			if r.rec.silence(now) > r.o.GiveUp {
				gone = true
				end()
			}
		}
	}
}

// tidy removes the accounts, and says what is left and how to remove it.
func (r *runner) tidy(ctx context.Context, gone bool) string {
	made := LoginPrefix + r.name + "-"
	if r.admin == nil {
		return "The accounts " + made + "… are like any other and stay, with what they watched. An administrator can block them."
	}
	rest := "cinema demo remove removes what they watched, together with the demo cinema."
	if !r.o.KeepAccounts && !gone {
		ctx, cancel := context.WithTimeout(ctx, lastWords)
		defer cancel()
		n, err := r.admin.remove(ctx, made)
		if err == nil {
			return fmt.Sprintf("%d synthetic viewers %s… were removed. %s", n, made, rest)
		}
	}
	return "The synthetic viewers " + made + "… are still there: cinema load -remove removes them. " + rest
}

// Remove removes the synthetic viewers that earlier runs left, and says how
// many there were.
func Remove(ctx context.Context, o Options) (int, error) {
	net, err := newNetwork(o.URL, o.Owned, 2)
	if err != nil {
		return 0, err
	}
	defer net.close()
	ops, err := persisted()
	if err != nil {
		return 0, err
	}
	a := &administrator{browser: newBrowser(net, newRecorder(time.Now()), ""), ops: ops, login: o.AdminLogin, password: o.AdminPassword}
	return a.remove(ctx, LoginPrefix)
}

// administrator lets viewers sign up as synthetic ones, and removes them.
type administrator struct {
	*browser
	ops             operations
	login, password string
	mu              sync.Mutex
}

// leave is the token that allows it.
func (a *administrator) leave(ctx context.Context) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if time.Until(a.until) > renewBefore {
		return a.token, nil
	}
	a.token = ""
	var out struct{ SignIn session }
	if err := a.ask(ctx, SignIn, a.ops.named("SignIn", map[string]any{"input": map[string]any{"login": a.login, "password": a.password}}), &out); err != nil {
		return "", err
	}
	a.token, a.until = out.SignIn.AccessToken, out.SignIn.ExpiresAt
	return a.token, nil
}

func (a *administrator) remove(ctx context.Context, prefix string) (int, error) {
	if _, err := a.leave(ctx); err != nil {
		return 0, fmt.Errorf("the administrator %q could not sign in: %w", a.login, err)
	}
	var out struct{ DeleteDemoUsers struct{ Count int } }
	err := a.ask(ctx, SignIn, map[string]any{
		"query":     `mutation DeleteDemoUsers($input: DeleteDemoUsersInput!) { deleteDemoUsers(input: $input) { count } }`,
		"variables": map[string]any{"input": map[string]any{"loginPrefix": prefix}},
	}, &out)
	return out.DeleteDemoUsers.Count, err
}

var operationName = regexp.MustCompile(`(?:query|mutation|subscription) (\w+)`)

// persisted reads the web app's operations, and refuses when one is missing.
func persisted() (operations, error) {
	var byHash map[string]string
	if err := json.Unmarshal(schema.PersistedOperations, &byHash); err != nil {
		return nil, fmt.Errorf("schema/persisted-operations.json: %w", err)
	}
	ops := operations{}
	for hash, text := range byHash {
		if m := operationName.FindStringSubmatch(text); m != nil {
			ops[m[1]] = hash
		}
	}
	return ops, ops.must("SignUp", "SignIn", "RefreshSession", "Home", "GenreRow", "SearchFirst", "TitlePage", "WatchPage", "WatchSession", "RecordEvents")
}

func randomWord(bytes int) (string, error) {
	b := make([]byte, bytes)
	if _, err := rand.Read(b); err != nil {
		return "", fmt.Errorf("randomness: %w", err)
	}
	return hex.EncodeToString(b), nil
}
