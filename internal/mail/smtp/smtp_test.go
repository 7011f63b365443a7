package smtp_test

import (
	"crypto/tls"
	"mime"
	"net/mail"
	"strings"
	"testing"

	gosmtp "github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	cinemamail "github.com/netflixathome/cinema/internal/mail"
	"github.com/netflixathome/cinema/internal/mail/smtp"
	"github.com/netflixathome/cinema/internal/mail/smtptest"
)

var letter = cinemamail.Letter{
	What: "test", To: "ann@example.org", Subject: "Новый пароль", Language: "ru",
	Text: "Здравствуйте.\n\nhttps://cinema.example/reset#" + strings.Repeat("s3cret", 20) + "\n",
	HTML: "<p>Здравствуйте.</p>",
}

func config(s *smtptest.Server) smtp.Config {
	return smtp.Config{Addr: s.Addr(), From: "Наше кино <cinema@example.org>", TLS: s.TLS, User: s.User, Password: s.Password, ClientTLS: s.Trust()}
}

func TestConversation(t *testing.T) {
	for _, how := range []string{smtp.StartTLS, smtp.Implicit, smtp.Plain} {
		t.Run(how, func(t *testing.T) {
			server := smtptest.Start(t, &smtptest.Server{TLS: how})
			if how != smtp.Plain {
				server.User, server.Password = "post", "violet tractor 41"
			}
			s, err := smtp.New(config(server))
			require.NoError(t, err)
			require.NoError(t, s.Send(t.Context(), letter))
			got := server.Next()
			require.Equal(t, how != smtp.Plain, got.TLS)
			require.Equal(t, "cinema@example.org", got.From)
			require.Equal(t, "ann@example.org", got.To)
			subject, err := new(mime.WordDecoder).DecodeHeader(got.Header.Get("Subject"))
			require.NoError(t, err)
			require.Equal(t, letter.Subject, subject)
			from, err := mail.ParseAddress(got.Header.Get("From"))
			require.NoError(t, err)
			require.Equal(t, "Наше кино", from.Name)
			require.Equal(t, letter.Text, strings.ReplaceAll(got.Text, "\r\n", "\n"), "a long link arrives whole")
			require.Equal(t, letter.HTML, got.HTML)
			require.Equal(t, "auto-generated", got.Header.Get("Auto-Submitted"))
			require.Equal(t, "ru", got.Header.Get("Content-Language"))
			require.Regexp(t, `^<[0-9a-f]{32}@example\.org>$`, got.Header.Get("Message-ID"), "it does not tell the machine's name")
			for _, name := range []string{"User-Agent", "X-Mailer", "Disposition-Notification-To", "Return-Receipt-To"} {
				require.Empty(t, got.Header.Get(name))
			}
		})
	}
}

// Nothing is said to a server that cannot be told from another, or that anyone
// could listen to.
func TestNothingIsSaidInTheOpen(t *testing.T) {
	open := smtptest.Start(t, &smtptest.Server{TLS: "none"})
	c := config(open)
	c.TLS = smtp.StartTLS
	s, err := smtp.New(c)
	require.NoError(t, err)
	require.Error(t, s.Send(t.Context(), letter), "it offers no STARTTLS")

	for _, how := range []string{smtp.StartTLS, smtp.Implicit} {
		stranger := smtptest.Start(t, &smtptest.Server{TLS: how})
		c = config(stranger)
		c.ClientTLS = &tls.Config{ServerName: "example.com", MinVersion: tls.VersionTLS12}
		s, err = smtp.New(c)
		require.NoError(t, err)
		require.Error(t, s.Send(t.Context(), letter), "nobody vouches for its certificate")
		require.Zero(t, stranger.Came())
	}
	require.Zero(t, open.Came())
}

func TestWhatTheServerSays(t *testing.T) {
	says := func(code int, text string) error {
		return &gosmtp.SMTPError{Code: code, EnhancedCode: gosmtp.EnhancedCode{code / 100, 7, 1}, Message: text}
	}
	const quoted = "I do not like https://cinema.example/reset#s3cret for ann@example.org"
	server := smtptest.Start(t, &smtptest.Server{TLS: "none", Says: []error{says(451, quoted), says(554, quoted)}})
	s, err := smtp.New(config(server))
	require.NoError(t, err)

	err = s.Send(t.Context(), letter)
	var refused *cinemamail.Refused
	require.Error(t, err)
	require.NotErrorAs(t, err, &refused, "it may take it later")
	require.NotContains(t, err.Error(), "s3cret")
	require.Contains(t, err.Error(), "451")

	err = s.Send(t.Context(), letter)
	require.ErrorAs(t, err, &refused)
	require.NotContains(t, err.Error(), "s3cret")
	require.NotContains(t, err.Error(), "ann@")
	require.Contains(t, err.Error(), "554")

	require.NoError(t, s.Send(t.Context(), letter))
}

func TestAWrongPasswordIsAFailure(t *testing.T) {
	server := smtptest.Start(t, &smtptest.Server{TLS: smtp.StartTLS, User: "post", Password: "violet tractor 41"})
	c := config(server)
	c.Password = "wrong"
	s, err := smtp.New(c)
	require.NoError(t, err)
	err = s.Send(t.Context(), letter)
	require.Error(t, err)
	require.NotContains(t, err.Error(), "wrong")
	require.Zero(t, server.Came())
}

func TestAnAddressCannotAddHeaders(t *testing.T) {
	server := smtptest.Start(t, &smtptest.Server{TLS: "none"})
	s, err := smtp.New(config(server))
	require.NoError(t, err)
	for _, to := range []string{
		"ann@example.org\r\nBcc: eve@example.org", "ann@example.org, eve@example.org", "Ann <ann@example.org>", "ann@example.org\x00", "ann", "",
		"\"ann\r\nBcc: eve@example.org\"@example.org", "ann@example.org>\r\nDATA",
	} {
		l := letter
		l.To = to
		err := s.Send(t.Context(), l)
		var refused *cinemamail.Refused
		require.ErrorAs(t, err, &refused, "%q", to)
	}
	l := letter
	l.Subject = "Hello\r\nBcc: eve@example.org"
	require.NoError(t, s.Send(t.Context(), l))
	require.Empty(t, server.Next().Header.Get("Bcc"))
	require.Zero(t, server.Came())

	l = letter
	l.To = "ann@почта.рф"
	require.NoError(t, s.Send(t.Context(), l))
	require.Equal(t, "ann@xn--80a1acny.xn--p1ai", server.Next().To)
}

func TestFaults(t *testing.T) {
	good := smtp.Config{Addr: "mail.example:587", From: "a@example.org", TLS: smtp.StartTLS}
	require.Empty(t, good.Faults())
	require.Empty(t, smtp.Config{TLS: smtp.StartTLS}.Faults(), "there need be none")
	for field, change := range map[string]func(c *smtp.Config){
		"Addr": func(c *smtp.Config) { c.Addr = "mail.example" },
		"From": func(c *smtp.Config) { c.From = "cinema" },
		"TLS":  func(c *smtp.Config) { c.TLS = smtp.Plain },
		"User": func(c *smtp.Config) { c.Password = "p" },
	} {
		c := good
		change(&c)
		require.Contains(t, c.Faults(), field)
		_, err := smtp.New(c)
		require.Error(t, err)
	}
	require.Contains(t, smtp.Config{From: "a@example.org"}.Faults(), "Addr")
	local := smtp.Config{Addr: "[::1]:25", From: "a@example.org", TLS: smtp.Plain}
	require.Empty(t, local.Faults())
}
