// Package smtp sends letters through a mail server (RFC 5321).
package smtp

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
	"golang.org/x/net/idna"

	"github.com/netflixathome/cinema/internal/mail"
)

// How a connection is kept from being read.
const (
	StartTLS = "starttls" // the connection becomes TLS before anything is said; or it ends
	Implicit = "implicit" // TLS from the first byte
	Plain    = "none"     // no TLS: to this machine only
)

// Config of a server.
type Config struct {
	Addr string // host:port; empty: there is none
	// User and Password; without a user none is shown.
	User, Password string
	// From is the sender: an address, or a name with it.
	From string
	// TLS is StartTLS, Implicit or Plain.
	TLS string
	// Hello is how the program names itself to the server.
	Hello string
	// ClientTLS is for a server that the system's authorities do not vouch for;
	// nil otherwise.
	ClientTLS *tls.Config
}

// Faults says what is wrong with each field, by its name.
func (c Config) Faults() map[string]string {
	faults := map[string]string{}
	if c.Addr == "" {
		if c.User != "" || c.Password != "" || c.From != "" {
			faults["Addr"] = "want the mail server's host:port, for its user or sender is set"
		}
		return faults
	}
	host, port, err := net.SplitHostPort(c.Addr)
	if n, numErr := strconv.Atoi(port); err != nil || host == "" || numErr != nil || n < 1 || n > 65535 {
		faults["Addr"] = "want host:port, such as mail.example:587"
	}
	if a, err := netmail.ParseAddress(c.From); err != nil || !strings.Contains(a.Address, "@") || strings.ContainsAny(c.From, "\r\n") {
		faults["From"] = "want the sender's address, such as NetflixAtHome <cinema@example.org>"
	}
	switch c.TLS {
	case StartTLS, Implicit:
	case Plain:
		if !loopback(host) {
			faults["TLS"] = "without TLS letters go to a server on this machine only (127.0.0.1, ::1 or localhost)"
		}
	default:
		faults["TLS"] = "want starttls, implicit or none"
	}
	if c.User == "" && c.Password != "" {
		faults["User"] = "want the user of the password"
	}
	return faults
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Sender is a mail.Sender. It opens a connection for each letter.
type Sender struct {
	client *gomail.Client
	from   *netmail.Address
}

var _ mail.Sender = (*Sender)(nil)

// dialTimeout bounds each step of the conversation; the caller bounds the whole.
const dialTimeout = 10 * time.Second

// New makes a sender. It connects to nothing.
func New(c Config) (*Sender, error) {
	for field, text := range c.Faults() {
		return nil, fmt.Errorf("smtp: %s: %s", field, text)
	}
	host, port, _ := net.SplitHostPort(c.Addr)
	n, _ := strconv.Atoi(port)
	from, err := netmail.ParseAddress(c.From)
	if err != nil {
		return nil, fmt.Errorf("smtp: %w", err)
	}
	options := []gomail.Option{
		gomail.WithPort(n), gomail.WithTimeout(dialTimeout), gomail.WithHELO(hello(c.Hello)),
	}
	switch c.TLS {
	case Implicit:
		options = append(options, gomail.WithSSL())
	case Plain:
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if c.ClientTLS != nil {
		options = append(options, gomail.WithTLSConfig(c.ClientTLS))
	}
	if c.User != "" {
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(c.User), gomail.WithPassword(c.Password))
	}
	client, err := gomail.NewClient(host, options...)
	if err != nil {
		return nil, fmt.Errorf("smtp: %w", err)
	}
	return &Sender{client: client, from: from}, nil
}

func hello(name string) string {
	if name == "" {
		return "localhost"
	}
	return name
}

// Send implements mail.Sender. What the server said is told by its code alone:
// its words may quote the letter.
func (s *Sender) Send(ctx context.Context, l mail.Letter) error {
	m, err := s.message(l)
	if err != nil {
		return &mail.Refused{Err: err}
	}
	if err = s.client.DialAndSendWithContext(ctx, m); err == nil {
		return nil
	}
	var said *gomail.SendError
	if errors.As(err, &said) {
		told := fmt.Errorf("smtp: %s, code %d %s", said.Reason, said.ErrorCode(), said.EnhancedStatusCode())
		if said.ErrorCode() >= 500 {
			return &mail.Refused{Err: told}
		}
		return told
	}
	return fmt.Errorf("smtp: the server was not reached: %w", err)
}

func (s *Sender) message(l mail.Letter) (*gomail.Msg, error) {
	to, err := plainAddress(l.To)
	if err != nil {
		return nil, err
	}
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	m.FromMailAddress(s.from)
	if err := m.To(to); err != nil {
		return nil, errors.New("smtp: the receiver is no address")
	}
	id := make([]byte, 16)
	_, _ = rand.Read(id)
	_, domain, _ := strings.Cut(s.from.Address, "@")
	// Not the machine's name, which is nobody's business.
	m.SetMessageIDWithValue(hex.EncodeToString(id) + "@" + domain)
	m.SetDate()
	m.Subject(l.Subject)
	// Programs must not answer it, and nobody's absence note may (RFC 3834).
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.SetGenHeader("Content-Language", l.Language)
	m.SetBodyString(gomail.TypeTextPlain, l.Text)
	m.AddAlternativeString(gomail.TypeTextHTML, l.HTML)
	return m, nil
}

// plainAddress is the address with its domain as servers know it.
func plainAddress(address string) (string, error) {
	a, err := netmail.ParseAddress(address)
	if err != nil || a.Address != address || strings.ContainsAny(address, "\r\n\x00<>, ") {
		return "", errors.New("smtp: the receiver is no bare address")
	}
	local, domain, _ := strings.Cut(address, "@")
	if ascii, err := idna.Lookup.ToASCII(domain); err == nil {
		domain = ascii
	}
	return local + "@" + domain, nil
}
