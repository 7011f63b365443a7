package app

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/netflixathome/cinema/subgraphs/auth"
	"github.com/netflixathome/cinema/subgraphs/auth/providers"
)

// ProviderConfig is one that vouches for viewers who have an account there.
type ProviderConfig struct {
	ID, Name, Issuer       string
	ClientID, ClientSecret string
	Scopes                 []string
}

const (
	// maxProviders bounds the buttons of the sign-in page.
	maxProviders = 8
	// returnPath is where a provider sends viewers back to, before its id.
	returnPath = "/signin/with/"
)

var providerID = regexp.MustCompile(`^[a-z][a-z0-9]{0,30}$`)

// otherProviders is the setting that names the others; each brings settings of
// its own.
func otherProviders() setting {
	return setting{env: "CINEMA_OIDC", doc: "names (small letters and figures, with commas between) of further providers of OpenID Connect that viewers sign in with; each has the settings CINEMA_OIDC_NAME_…",
		set: func(c *Config, v string) error {
			c.Auth.Others = nil
			for one := range strings.SplitSeq(v, ",") {
				if one = strings.TrimSpace(one); one == "" {
					continue
				}
				if !providerID.MatchString(one) || one == "google" || one == "yandex" {
					return fmt.Errorf("%q: want small letters and figures, and neither google nor yandex", one)
				}
				if slices.ContainsFunc(c.Auth.Others, func(p *ProviderConfig) bool { return p.ID == one }) {
					return fmt.Errorf("%q is there twice", one)
				}
				c.Auth.Others = append(c.Auth.Others, &ProviderConfig{ID: one})
			}
			if len(c.Auth.Others) > maxProviders {
				return fmt.Errorf("%d are the most", maxProviders)
			}
			return nil
		},
		get: func(c *Config) string {
			var all []string
			for _, p := range c.Auth.Others {
				all = append(all, p.ID)
			}
			return strings.Join(all, ",")
		}}
}

// eachSetting yields the settings, and those that they bring as soon as they
// are read.
func eachSetting(c *Config) iter.Seq[setting] {
	return func(yield func(setting) bool) {
		for _, s := range settings {
			if !yield(s) {
				return
			}
		}
		for i, p := range c.Auth.Others {
			for _, s := range providerSettings(strings.ToUpper(p.ID), i) {
				if !yield(s) {
					return
				}
			}
		}
	}
}

// providerSettings are those of the nth further provider.
func providerSettings(name string, nth int) []setting {
	env := func(what string) string { return "CINEMA_OIDC_" + name + "_" + what }
	of := func(field func(p *ProviderConfig) *string) func(c *Config) *string {
		return func(c *Config) *string { return field(c.Auth.Others[nth]) }
	}
	return []setting{
		text(env("NAME"), "", "its name as viewers read it; empty: that of its settings", of(func(p *ProviderConfig) *string { return &p.Name })),
		text(env("ISSUER"), "", "its issuer, such as https://id.example/realms/home", of(func(p *ProviderConfig) *string { return &p.Issuer })),
		text(env("CLIENT_ID"), "", "the client id that it gave the cinema", of(func(p *ProviderConfig) *string { return &p.ClientID })),
		hidden(text(env("CLIENT_SECRET"), "", "the client secret; empty: the cinema is a public client there", of(func(p *ProviderConfig) *string { return &p.ClientSecret }))),
		{env: env("SCOPES"), doc: "what it is asked for, with spaces between; empty: openid profile email",
			set: func(c *Config, v string) error { c.Auth.Others[nth].Scopes = strings.Fields(v); return nil },
			get: func(c *Config) string { return strings.Join(c.Auth.Others[nth].Scopes, " ") }},
	}
}

func (a *AuthConfig) checkProviders(add func(env, format string, args ...any)) {
	for name, p := range map[string]ProviderConfig{"GOOGLE": a.Google, "YANDEX": a.Yandex} {
		switch {
		case p.ClientID != "" && p.ClientSecret == "":
			add("CINEMA_"+name+"_CLIENT_SECRET", "want the client secret, for the client id is set")
		case p.ClientID == "" && p.ClientSecret != "":
			add("CINEMA_"+name+"_CLIENT_ID", "want the client id, for the client secret is set")
		}
	}
	issuers := map[string]bool{providers.Google: a.Google.ClientID != ""}
	for _, p := range a.Others {
		env := "CINEMA_OIDC_" + strings.ToUpper(p.ID)
		if err := checkIssuer(p.Issuer); err != nil {
			add(env+"_ISSUER", "%v", err)
		} else if issuers[p.Issuer] {
			add(env+"_ISSUER", "another provider has this issuer")
		}
		issuers[p.Issuer] = true
		if p.ClientID == "" {
			add(env+"_CLIENT_ID", "want the client id")
		}
		if len(p.Name) > 40 {
			add(env+"_NAME", "want 40 bytes or fewer")
		}
	}
}

// checkIssuer wants https, so that nobody on the way vouches in its place; this
// machine alone is believed without.
func checkIssuer(issuer string) error {
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http" {
		return errors.New("want https://host without user or query")
	}
	ip := net.ParseIP(u.Hostname())
	if u.Scheme == "http" && u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return errors.New("want https: over http anyone on the way could sign in as anyone")
	}
	return nil
}

// signInProviders are the configured ones, in the order of their buttons.
func (c *Config) signInProviders() []auth.SignInProvider {
	var all []auth.SignInProvider
	of := func(id, name, issuer string, p ProviderConfig) providers.Config {
		return providers.Config{
			ID: id, Name: name, Issuer: issuer, ClientID: p.ClientID, ClientSecret: p.ClientSecret, Scopes: p.Scopes,
			ReturnURL: c.PublicURL() + returnPath + id,
		}
	}
	for _, p := range c.Auth.Others {
		name := p.Name
		if name == "" {
			name = p.ID
		}
		all = append(all, providers.OIDC(of(p.ID, name, p.Issuer, *p)))
	}
	if p := c.Auth.Yandex; p.ClientID != "" {
		all = append(all, providers.Yandex(of("yandex", "Yandex", "", p)))
	}
	if p := c.Auth.Google; p.ClientID != "" {
		all = append(all, providers.OIDC(of("google", "Google", providers.Google, p)))
	}
	return all
}

// checkProviders tells the operator at the start of a provider that cannot be
// used. The cinema does not wait for it: it is tried again when it is wanted.
func (a *app) checkProviders(ctx context.Context) error {
	for _, p := range a.auth.Providers() {
		if err := providers.Check(ctx, p); err != nil && ctx.Err() == nil {
			a.log.Warn("a provider of sign-ins cannot be used; it is tried again when someone wants it", "provider", p.ID, "error", err)
		}
	}
	return nil
}

// returning takes what a provider sends a viewer back with out of the address
// and into its fragment, which no server and no other site is ever told, and
// opens the page that waits for it. It decides nothing: the page hands the answer
// to finishProvider, which does.
func returning(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, ok := strings.CutPrefix(r.URL.Path, returnPath)
		if !ok || !providerID.MatchString(id) || r.Method != http.MethodGet && r.Method != http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		given, answer := r.URL.Query(), url.Values{"with": {id}}
		for _, name := range []string{"state", "code", "iss", "error"} {
			if v := given.Get(name); v != "" {
				answer.Set(name, v)
			}
		}
		page := "/signin"
		if aim, _, _ := strings.Cut(given.Get("state"), "."); aim == "link" || aim == "confirm" {
			page = "/account"
		}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("Location", page+"#"+answer.Encode())
		w.WriteHeader(http.StatusSeeOther)
	})
}
