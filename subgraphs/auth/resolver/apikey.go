package resolver

import (
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"strings"

	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/subgraphs/auth"
)

// apiKey answers the router, which shows an API key as the bearer, with the
// access token that it stands for.
func apiKey(a *auth.Accounts, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, err := a.ExchangeAPIKey(r.Context(), authn.Bearer(r), clientOf(r))
		if err != nil {
			status := http.StatusServiceUnavailable
			switch fault.KindOf(err) {
			case fault.Unauthenticated:
				status = http.StatusUnauthorized
			case fault.RateLimited:
				status = http.StatusTooManyRequests
			default:
				log.ErrorContext(r.Context(), "auth: an API key could not be exchanged", "error", err)
			}
			http.Error(w, http.StatusText(status), status)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_ = json.NewEncoder(w).Encode(authn.ExchangedKey{AccessToken: token})
	})
}

// clientOf is where a request came from, as the router saw.
func clientOf(r *http.Request) auth.Client {
	address := r.Header.Get(AddressHeader)
	if i := strings.LastIndexByte(address, ','); i >= 0 {
		address = address[i+1:]
	}
	if address = strings.TrimSpace(address); address == "" {
		address, _, _ = net.SplitHostPort(r.RemoteAddr)
	}
	return auth.Client{Address: address, UserAgent: r.UserAgent()}
}
