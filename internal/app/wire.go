package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/router/inprocess"
	"github.com/netflixathome/cinema/subgraphs/auth"
	authpostgres "github.com/netflixathome/cinema/subgraphs/auth/postgres"
	authresolver "github.com/netflixathome/cinema/subgraphs/auth/resolver"
)

// wire makes the services of this process. Nothing of them runs yet.
func (a *app) wire(ctx context.Context) error {
	if err := a.openTracing(ctx); err != nil {
		return err
	}
	if err := a.openShared(ctx); err != nil {
		return err
	}
	if err := a.openObjects(ctx); err != nil {
		return err
	}
	if err := a.openIndex(ctx); err != nil {
		return fmt.Errorf("the search index: %w", err)
	}
	for _, w := range []struct {
		name string
		wire func(context.Context) error
	}{
		{"events", a.wireEvents}, {"auth", a.wireAuth}, {"catalog", a.wireCatalog},
		{"telemetry", a.wireTelemetry}, {"media", a.wireMedia}, {"admin", a.wireAdmin},
	} {
		if err := w.wire(ctx); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
	}
	a.traceSubgraphs()
	if err := a.wireBackups(); err != nil {
		return err
	}
	var err error
	a.transport, err = inprocess.New(a.subgraphs, a.log.With("part", "router"), http.DefaultTransport)
	return err
}

// wireAuth makes the auth service, where it runs here, and what checks tokens
// everywhere: with its keys in process, else fetched from its address.
func (a *app) wireAuth(ctx context.Context) error {
	log := a.log.With("part", "auth")
	if !a.cfg.Has("auth") {
		base := a.cfg.Subgraphs["auth"]
		if base == "" {
			return nil // an ETL or collector alone asks nobody's token
		}
		client := &http.Client{Timeout: 5 * time.Second}
		return a.wireVerifier(authn.LoadRevocationsHTTP(client, base+"/revocations.json"), authn.FetchHTTP(client, base+"/jwks.json"),
			authn.ExchangeHTTP(client, base+"/api-key"))
	}
	pool, err := a.openDatabase(ctx, "auth", 8, false, authpostgres.Migrate)
	if err != nil {
		return err
	}
	store, err := authpostgres.New(pool)
	if err != nil {
		return err
	}
	key, err := secret(a.cfg.DataDir, "auth", a.cfg.Auth.Secret)
	if err != nil {
		return err
	}
	post, err := a.wireMail()
	if err != nil {
		return err
	}
	hashes, err := a.wireHashing()
	if err != nil {
		return err
	}
	a.auth, err = auth.New(auth.Deps{
		Argon2: hashes.IDKey,
		Store:  store, Bus: a.bus, Limiter: a.limiter, Activity: a.activity, Logger: log, Secret: key,
		KeepSignIns: time.Duration(a.cfg.Auth.KeepSignIns) * 24 * time.Hour,
		KeyAge:      time.Duration(a.cfg.Auth.KeyDays) * 24 * time.Hour,
		PublicURL:   a.cfg.PublicURL(), AdminFactor: a.cfg.Auth.AdminFactor, Providers: a.cfg.signInProviders(),
		Post: post, SignUp: auth.SignUpMode(strings.ToUpper(a.cfg.Auth.SignUp)),
	})
	if err != nil {
		return err
	}
	if p := a.auth.Passkeys(); !p.Available {
		log.Warn("nobody can have a passkey", "why", p.Reason)
	}
	if err := a.auth.Init(ctx); err != nil {
		return err
	}
	err = a.wireVerifier(a.auth.Revocations, a.auth.Signer().JWKS, func(ctx context.Context, key, address string) (string, error) {
		return a.auth.ExchangeAPIKey(ctx, key, auth.Client{Address: address})
	})
	if err != nil {
		return err
	}
	a.subgraphs["auth"], err = authresolver.Handler(authresolver.Options{
		Accounts: a.auth, Verifier: a.verifier, Logger: log, Secure: strings.HasPrefix(a.cfg.PublicURL(), "https:"),
	})
	a.run("auth", a.auth.Run)
	a.run("sign-in providers", a.checkProviders)
	return err
}

func (a *app) wireVerifier(load func(context.Context) ([]authn.Revocation, error), fetch func(context.Context) ([]byte, error),
	exchange func(ctx context.Context, key, address string) (string, error)) error {
	var err error
	a.revoked, err = authn.NewRevocations(a.bus, load, time.Now, a.log.With("part", "authn"))
	if err != nil {
		return err
	}
	a.run("revocations", a.revoked.Run)
	if a.verifier, err = authn.NewVerifier(fetch, a.revoked, time.Now); err != nil {
		return err
	}
	a.apiKeys, err = authn.NewAPIKeys(exchange, a.verifier, time.Now)
	return err
}

// opening does what comes between the open door and the ready line: the
// admin's account and, at the first start, the demo's first titles.
func (a *app) opening(ctx context.Context, first bool, began time.Time) error {
	var password string
	if a.auth != nil {
		login, made, created, err := a.auth.EnsureAdmin(ctx)
		if err != nil {
			return fmt.Errorf("the admin's account: %w", err)
		}
		if created {
			password = fmt.Sprintf("login %s, password %s", login, made)
		}
	}
	if a.demo != nil {
		if err := a.demo.Open(ctx, first && a.cfg.Demo); err != nil && !errors.Is(err, context.Canceled) {
			a.log.Error("the demo cinema could not be opened; it goes on in the background", "error", err)
		}
	}
	a.opened.Store(true)
	a.log.Info("ready", "ms", time.Since(began).Milliseconds(), "targets", strings.Join(a.cfg.Targets, ","))
	if password != "" {
		_, _ = fmt.Fprintf(a.out, "\nThis is the first start. Sign in as the admin with login and password below; it is not shown again.\n  %s\n", password)
	}
	// Last: whoever waits for it has read all the rest.
	_, _ = fmt.Fprintf(a.out, "\nNetflixAtHome is ready: %s\n", a.cfg.PublicURL())
	return nil
}
