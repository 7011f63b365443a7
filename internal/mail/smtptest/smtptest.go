// Package smtptest is a mail server for tests, on loopback.
package smtptest

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/http/httptest"
	netmail "net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"
)

// Server takes letters. Its fields are set before it is started.
type Server struct {
	// TLS is how connections are kept from being read: starttls (also offered
	// and not used), implicit, or none.
	TLS string
	// User and Password that it wants; without a user it wants none.
	User, Password string
	// Says is what it answers to a letter, in order; nothing, or nil, takes it.
	Says []error

	t       *testing.T
	addr    string
	roots   *x509.CertPool
	letters chan Letter
	mu      sync.Mutex
	tries   int
}

// Letter is one that came.
type Letter struct {
	From, To   string // of the envelope
	Header     netmail.Header
	Raw        string
	Text, HTML string
	TLS        bool // it came through TLS
}

// Start starts it; it ends with the test.
func Start(t *testing.T, s *Server) *Server {
	t.Helper()
	s.t, s.letters = t, make(chan Letter, 1000)
	// A certificate for example.com and 127.0.0.1.
	issuer := httptest.NewUnstartedServer(nil)
	issuer.StartTLS()
	issuer.Close()
	s.roots = x509.NewCertPool()
	s.roots.AddCert(issuer.Certificate())
	certificate := &tls.Config{Certificates: issuer.TLS.Certificates, MinVersion: tls.VersionTLS12}

	server := smtp.NewServer(s)
	server.Domain = "mail.test"
	server.ErrorLog = log.New(io.Discard, "", 0)
	server.ReadTimeout, server.WriteTimeout = 10*time.Second, 10*time.Second
	server.MaxMessageBytes = 1 << 20
	if s.TLS == "starttls" {
		server.TLSConfig = certificate
	}
	server.AllowInsecureAuth = s.TLS == "none"
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // ends with the test
	require.NoError(t, err)
	s.addr = l.Addr().String()
	if s.TLS == "implicit" {
		l = tls.NewListener(l, certificate)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close(); <-done })
	return s
}

// Addr is where it listens.
func (s *Server) Addr() string { return s.addr }

// Trust is a client's configuration that trusts it.
func (s *Server) Trust() *tls.Config {
	return &tls.Config{RootCAs: s.roots, ServerName: "example.com", MinVersion: tls.VersionTLS12}
}

// Next waits for the next letter.
func (s *Server) Next() Letter {
	s.t.Helper()
	select {
	case l := <-s.letters:
		return l
	case <-time.After(20 * time.Second):
		require.Fail(s.t, "no letter came")
	}
	return Letter{}
}

// Came is how many letters wait to be read.
func (s *Server) Came() int { return len(s.letters) }

// NewSession implements smtp.Backend.
func (s *Server) NewSession(c *smtp.Conn) (smtp.Session, error) {
	_, encrypted := c.TLSConnectionState()
	return &session{server: s, tls: encrypted, known: s.User == ""}, nil
}

type session struct {
	server   *Server
	tls      bool
	known    bool
	from, to string
}

func (e *session) AuthMechanisms() []string {
	if e.server.User == "" {
		return nil
	}
	return []string{sasl.Plain}
}

func (e *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != e.server.User || password != e.server.Password {
			return smtp.ErrAuthFailed
		}
		e.known = true
		return nil
	}), nil
}

func (e *session) Mail(from string, _ *smtp.MailOptions) error {
	if !e.known {
		return smtp.ErrAuthRequired
	}
	e.from = from
	return nil
}

func (e *session) Rcpt(to string, _ *smtp.RcptOptions) error { e.to = to; return nil }
func (e *session) Reset()                                    {}
func (e *session) Logout() error                             { return nil }

func (e *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s := e.server
	s.mu.Lock()
	s.tries++
	if s.tries <= len(s.Says) && s.Says[s.tries-1] != nil {
		defer s.mu.Unlock()
		return s.Says[s.tries-1]
	}
	s.mu.Unlock()
	l := Letter{From: e.from, To: e.to, Raw: string(raw), TLS: e.tls}
	if err := l.parse(); err != nil {
		return err
	}
	s.letters <- l
	return nil
}

func (l *Letter) parse() error {
	m, err := netmail.ReadMessage(strings.NewReader(l.Raw))
	if err != nil {
		return err
	}
	l.Header = m.Header
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	for {
		p, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		var body io.Reader = p
		if p.Header.Get("Content-Transfer-Encoding") == "quoted-printable" {
			body = quotedprintable.NewReader(p)
		}
		text, err := io.ReadAll(body)
		if err != nil {
			return err
		}
		if strings.HasPrefix(p.Header.Get("Content-Type"), "text/html") {
			l.HTML = string(text)
		} else {
			l.Text = string(text)
		}
	}
}
