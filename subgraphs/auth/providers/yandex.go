package providers

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"golang.org/x/oauth2"

	"github.com/netflixathome/cinema/subgraphs/auth"
)

// yandexIssuer is what identities of Yandex are kept under: it has no issuer of
// OpenID Connect.
const yandexIssuer = "https://oauth.yandex.ru"

// yandex is Yandex ID: OAuth 2 with PKCE, and a call that says whose a token is
// (https://yandex.com/dev/id/doc/en/user-information).
type yandex struct {
	oauth  oauth2.Config
	info   string
	client *http.Client
}

// Yandex is Yandex ID.
func Yandex(c Config) auth.SignInProvider {
	return auth.SignInProvider{ID: c.ID, Name: c.Name, Issuer: yandexIssuer, Provider: yandexAt(c, yandexIssuer, "https://login.yandex.ru/info")}
}

func yandexAt(c Config, base, info string) *yandex {
	if len(c.Scopes) == 0 {
		c.Scopes = []string{"login:info", "login:email"}
	}
	return &yandex{client: newClient(), info: info, oauth: oauth2.Config{
		ClientID: c.ClientID, ClientSecret: c.ClientSecret, RedirectURL: c.ReturnURL, Scopes: c.Scopes,
		Endpoint: oauth2.Endpoint{AuthURL: base + "/authorize", TokenURL: base + "/token", AuthStyle: oauth2.AuthStyleInHeader},
	}}
}

// Way implements auth.Provider.
func (y *yandex) Way(_ context.Context, ask auth.ProviderAsk) (string, error) {
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(ask.Verifier)}
	if ask.Again {
		options = append(options, oauth2.SetAuthURLParam("force_confirm", "yes"))
	}
	return y.oauth.AuthCodeURL(ask.State, options...), nil
}

// Who implements auth.Provider. There is no ID token: that the code came of what
// was asked here is shown by PKCE, and that the token is ours by its client_id.
func (y *yandex) Who(ctx context.Context, answer auth.ProviderAnswer) (*auth.Vouched, error) {
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	if answer.Iss != "" && answer.Iss != yandexIssuer {
		return nil, fmt.Errorf("%w: it is of another issuer", auth.ErrProviderRefused)
	}
	ctx = context.WithValue(ctx, oauth2.HTTPClient, y.client)
	token, err := y.oauth.Exchange(ctx, answer.Code, oauth2.VerifierOption(answer.Verifier))
	if err != nil {
		return nil, exchangeFault(err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, y.info+"?format=json", http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("auth: yandex: %w", err)
	}
	r.Header.Set("Authorization", "OAuth "+token.AccessToken)
	res, err := y.client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("%w: user info: %w", auth.ErrProviderAway, err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: user info answered %d", auth.ErrProviderAway, res.StatusCode)
	}
	var who struct {
		ID          string `json:"id"`
		ClientID    string `json:"client_id"`
		Email       string `json:"default_email"`
		Login       string `json:"login"`
		DisplayName string `json:"display_name"`
		RealName    string `json:"real_name"`
	}
	if err := json.NewDecoder(res.Body).Decode(&who); err != nil {
		return nil, fmt.Errorf("%w: the user info cannot be read", auth.ErrProviderRefused)
	}
	if who.ID == "" || who.ClientID != y.oauth.ClientID {
		return nil, fmt.Errorf("%w: the token was made for another", auth.ErrProviderRefused)
	}
	return &auth.Vouched{
		Subject: who.ID, Email: who.Email, EmailVerified: atYandex(who.Email), Name: cmp.Or(who.RealName, who.DisplayName, who.Login),
	}, nil
}

// atYandex reports whether an address is a mailbox of Yandex's own: it says of
// no other whether it was verified.
func atYandex(email string) bool {
	_, domain, _ := strings.Cut(strings.ToLower(email), "@")
	switch domain {
	case "yandex.ru", "yandex.com", "yandex.by", "yandex.kz", "ya.ru":
		return true
	}
	return false
}
