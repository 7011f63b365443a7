// Package providers speaks to those who vouch for viewers: any issuer of OpenID
// Connect, and Yandex, which has OAuth 2 and a call of its own for who someone
// is. What they hand out is used once, in here, and kept nowhere.
package providers

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/netflixathome/cinema/subgraphs/auth"
)

// Google's issuer.
const Google = "https://accounts.google.com"

// Config is a provider as the operator set it up there.
type Config struct {
	// ID and Name are those of auth.SignInProvider.
	ID, Name string
	// Issuer is of OpenID Connect; not of Yandex.
	Issuer                 string
	ClientID, ClientSecret string // the latter is empty of a public client
	// Scopes; openid, profile and email if none.
	Scopes []string
	// ReturnURL is where the provider sends its users back to.
	ReturnURL string
}

const (
	// timeout bounds a request to a provider, and patience all of an answer's.
	timeout  = 5 * time.Second
	patience = 15 * time.Second
	// pause is how long a provider that did not tell of itself is let be, and
	// trust how long what it told holds.
	pause = 5 * time.Second
	trust = 24 * time.Hour
	// maxAnswer bounds what is read of an answer.
	maxAnswer = 1 << 20
	// askedWithin is how recently a provider must have asked its user that was
	// told to ask again; clocks differ by less than a minute of it.
	askedWithin = 5 * time.Minute
)

// newClient is a client for providers: it waits a bounded time, reads a bounded
// answer, and follows nobody elsewhere, least of all with a secret.
func newClient() *http.Client {
	return &http.Client{
		Timeout: timeout, Transport: bounded{http.DefaultTransport},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		res.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(res.Body, maxAnswer), res.Body}
	}
	return res, err
}

// issuer is a provider of OpenID Connect.
type issuer struct {
	config Config
	client *http.Client
	now    func() time.Time

	// turn is held by whoever reads or asks what the provider tells of itself.
	turn   chan struct{}
	told   *told
	toldAt time.Time
	failed time.Time
	why    error
}

// told is what a provider tells of itself (OpenID Connect Discovery, RFC 8414).
type told struct {
	*oidc.Provider
	// NamesItself says that its answers carry iss (RFC 9207).
	NamesItself bool     `json:"authorization_response_iss_parameter_supported"`
	AuthMethods []string `json:"token_endpoint_auth_methods_supported"`
}

// OIDC is a provider of OpenID Connect. It is asked about itself at its first
// use, and again after a pause where it did not answer.
func OIDC(c Config) auth.SignInProvider {
	if len(c.Scopes) == 0 {
		c.Scopes = []string{oidc.ScopeOpenID, "profile", "email"}
	} else if !slices.Contains(c.Scopes, oidc.ScopeOpenID) {
		c.Scopes = append([]string{oidc.ScopeOpenID}, c.Scopes...)
	}
	p := &issuer{config: c, client: newClient(), now: time.Now, turn: make(chan struct{}, 1)}
	return auth.SignInProvider{ID: c.ID, Name: c.Name, Issuer: c.Issuer, Provider: p}
}

// Check reports whether a provider can be used at the moment.
func Check(ctx context.Context, p auth.SignInProvider) error {
	i, ok := p.Provider.(*issuer)
	if !ok {
		return nil
	}
	_, err := i.discover(ctx)
	return err
}

func (p *issuer) discover(ctx context.Context) (*told, error) {
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	switch now := p.now(); {
	case p.told != nil && now.Sub(p.toldAt) < trust:
		return p.told, nil
	case p.why != nil && now.Sub(p.failed) < pause:
		return p.told, p.why
	}
	// Not of the request alone: whoever is next needs it too.
	asking, stop := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer stop()
	found, err := oidc.NewProvider(oidc.ClientContext(asking, p.client), p.config.Issuer)
	news := &told{Provider: found}
	if err == nil {
		err = found.Claims(news)
		news.Provider = found
	}
	if err == nil && (found.Endpoint().AuthURL == "" || found.Endpoint().TokenURL == "") {
		err = errors.New("it names no endpoints")
	}
	if err != nil {
		p.failed = p.now()
		if p.told != nil {
			p.toldAt = p.failed.Add(pause - trust) // the old news will do a little longer
			return p.told, nil
		}
		p.why = fmt.Errorf("%w: discovery: %w", auth.ErrProviderAway, err)
		return nil, p.why
	}
	p.told, p.toldAt, p.why = news, p.now(), nil
	return p.told, nil
}

func (p *issuer) oauth(t *told) *oauth2.Config {
	endpoint := t.Endpoint()
	// Not found out by trying: a code may be used once.
	switch {
	case p.config.ClientSecret == "", !slices.Contains(t.AuthMethods, "client_secret_basic") && slices.Contains(t.AuthMethods, "client_secret_post"):
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	default:
		endpoint.AuthStyle = oauth2.AuthStyleInHeader
	}
	return &oauth2.Config{
		ClientID: p.config.ClientID, ClientSecret: p.config.ClientSecret, Endpoint: endpoint,
		RedirectURL: p.config.ReturnURL, Scopes: p.config.Scopes,
	}
}

// Way implements auth.Provider.
func (p *issuer) Way(ctx context.Context, ask auth.ProviderAsk) (string, error) {
	t, err := p.discover(ctx)
	if err != nil {
		return "", err
	}
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(ask.Verifier), oidc.Nonce(ask.Nonce)}
	if ask.Again {
		options = append(options, oauth2.SetAuthURLParam("prompt", "login"), oauth2.SetAuthURLParam("max_age", "0"))
	}
	return p.oauth(t).AuthCodeURL(ask.State, options...), nil
}

// claims are those of an ID token that are looked at beside what go-oidc checks.
type claims struct {
	AuthorizedParty string   `json:"azp"`
	AuthTime        int64    `json:"auth_time"`
	Email           string   `json:"email"`
	EmailVerified   truthful `json:"email_verified"`
	Name            string   `json:"name"`
	Username        string   `json:"preferred_username"`
}

// truthful is true in JSON, or the word, as some write it.
type truthful bool

func (v *truthful) UnmarshalJSON(b []byte) error {
	*v = string(b) == "true" || string(b) == `"true"`
	return nil
}

// Who implements auth.Provider.
func (p *issuer) Who(ctx context.Context, answer auth.ProviderAnswer) (*auth.Vouched, error) {
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	t, err := p.discover(ctx)
	if err != nil {
		return nil, err
	}
	// An answer of another's that was brought here (RFC 9700 §4.4).
	if answer.Iss != "" && answer.Iss != p.config.Issuer || answer.Iss == "" && t.NamesItself {
		return nil, fmt.Errorf("%w: it is of another issuer", auth.ErrProviderRefused)
	}
	ctx = oidc.ClientContext(ctx, p.client)
	token, err := p.oauth(t).Exchange(ctx, answer.Code, oauth2.VerifierOption(answer.Verifier))
	if err != nil {
		return nil, exchangeFault(err)
	}
	id, c, err := p.verify(ctx, t, token, answer)
	if err != nil {
		return nil, err
	}
	if (c.Email == "" || c.Name == "") && t.UserInfoEndpoint() != "" {
		if err := more(ctx, t, token, id.Subject, c); err != nil {
			return nil, err
		}
	}
	return &auth.Vouched{
		Subject: id.Subject, Email: c.Email, EmailVerified: bool(c.EmailVerified), Name: cmp.Or(c.Name, c.Username),
	}, nil
}

// verify checks an ID token: whose it is, for whom, until when, and that it was
// asked for here and now (OpenID Connect Core §3.1.3.7).
func (p *issuer) verify(ctx context.Context, t *told, token *oauth2.Token, answer auth.ProviderAnswer) (*oidc.IDToken, *claims, error) {
	refused := func(why string) error { return fmt.Errorf("%w: %s", auth.ErrProviderRefused, why) }
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return nil, nil, refused("there is no ID token")
	}
	id, err := t.VerifierContext(ctx, &oidc.Config{ClientID: p.config.ClientID, Now: p.now}).Verify(ctx, raw)
	if unreachable(err) {
		return nil, nil, fmt.Errorf("%w: its keys: %w", auth.ErrProviderAway, err)
	} else if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", auth.ErrProviderRefused, err)
	}
	var c claims
	if err := id.Claims(&c); err != nil {
		return nil, nil, refused("its claims cannot be read")
	}
	switch {
	case subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(answer.Nonce)) != 1:
		return nil, nil, refused("the nonce is another")
	case c.AuthorizedParty != "" && c.AuthorizedParty != p.config.ClientID, len(id.Audience) > 1 && c.AuthorizedParty == "":
		return nil, nil, refused("it was made for another")
	case id.AccessTokenHash != "" && id.VerifyAccessToken(token.AccessToken) != nil:
		return nil, nil, refused("the access token is another's")
	case answer.Again && c.AuthTime != 0 && p.now().Sub(time.Unix(c.AuthTime, 0)) > askedWithin:
		return nil, nil, auth.ErrProviderStale
	}
	return id, &c, nil
}

// more asks the provider for what the ID token does not say.
func more(ctx context.Context, t *told, token *oauth2.Token, subject string, c *claims) error {
	info, err := t.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		return fmt.Errorf("%w: user info: %w", auth.ErrProviderAway, err)
	}
	if info.Subject != subject {
		return fmt.Errorf("%w: the user info is another's", auth.ErrProviderRefused)
	}
	var extra claims
	if err := info.Claims(&extra); err != nil {
		return fmt.Errorf("%w: the user info cannot be read", auth.ErrProviderRefused)
	}
	if c.Email == "" {
		c.Email, c.EmailVerified = extra.Email, extra.EmailVerified
	}
	c.Name, c.Username = cmp.Or(c.Name, extra.Name), cmp.Or(c.Username, extra.Username)
	return nil
}

// exchangeFault tells a code that was refused from a provider that is away.
// What it wrote stays out of the log, but for its closed list of codes.
func exchangeFault(err error) error {
	var answered *oauth2.RetrieveError
	switch {
	case errors.As(err, &answered) && answered.Response != nil && answered.Response.StatusCode >= http.StatusInternalServerError:
		return fmt.Errorf("%w: the token endpoint answered %d", auth.ErrProviderAway, answered.Response.StatusCode)
	case errors.As(err, &answered):
		return fmt.Errorf("%w: the token endpoint said %.40q", auth.ErrProviderRefused, answered.ErrorCode)
	case unreachable(err):
		return fmt.Errorf("%w: the token endpoint: %w", auth.ErrProviderAway, err)
	}
	return fmt.Errorf("%w: the token endpoint's answer cannot be read", auth.ErrProviderRefused)
}

// unreachable reports whether an error is of the network.
func unreachable(err error) bool {
	var u *url.Error
	var n net.Error
	return errors.As(err, &u) || errors.As(err, &n) || errors.Is(err, context.DeadlineExceeded)
}
