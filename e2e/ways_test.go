package e2e

import (
	"encoding/json"
	"io"
	"log"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/e2e/cinema"
)

// mailbox is a mail server; letters come out of it as they were sent.
type mailbox chan string

func (m mailbox) NewSession(*smtp.Conn) (smtp.Session, error) { return &delivery{box: m}, nil }

type delivery struct {
	box mailbox
	to  string
}

func (d *delivery) Mail(string, *smtp.MailOptions) error      { return nil }
func (d *delivery) Rcpt(to string, _ *smtp.RcptOptions) error { d.to = to; return nil }
func (d *delivery) Reset()                                    {}
func (d *delivery) Logout() error                             { return nil }
func (d *delivery) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err == nil {
		// Quoted-printable breaks long lines.
		d.box <- "for " + d.to + "\n" + strings.ReplaceAll(string(raw), "=\r\n", "")
	}
	return err
}

func newMailbox(t *testing.T) (mailbox, string) {
	t.Helper()
	box := mailbox(make(chan string, 100))
	server := smtp.NewServer(box)
	server.ErrorLog = log.New(io.Discard, "", 0)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	t.Cleanup(func() { _, _ = server.Close(), l.Close(); <-done }) // it may not have begun to serve
	return box, l.Addr().String()
}

var mailedLink = regexp.MustCompile(`(http://[a-z0-9.:]+)(/[a-z-]+)#([A-Za-z0-9_-]{43})`)

// link waits for the next letter, which must be for the address and lead to the page.
func (m mailbox) link(t *testing.T, to, page string) string {
	t.Helper()
	return m.linkAt(t, "http://cinema.test", to, page)
}

// linkAt is link of a cinema at an address.
func (m mailbox) linkAt(t *testing.T, at, to, page string) string {
	t.Helper()
	select {
	case letter := <-m:
		require.True(t, strings.HasPrefix(letter, "for "+to+"\n"), letter)
		found := mailedLink.FindStringSubmatch(letter)
		require.NotNil(t, found, letter)
		require.Equal(t, at+page, found[1]+found[2])
		return found[3]
	case <-time.After(30 * time.Second):
		require.Fail(t, "no letter came")
	}
	return ""
}

const askForLink = `mutation($login: String!) { requestPasswordReset(input: {login: $login}) { taken } }`
const resetByLink = `mutation($t: String!, $p: String!) { resetPassword(input: {token: $t, password: $p}) { login } }`

// By invitation, through a forgotten password and another address, with letters
// that come by SMTP.
func TestWaysBack(t *testing.T) {
	box, addr := newMailbox(t)
	i := cinema.Start(t, cinema.Options{Env: []string{
		"CINEMA_SIGN_UP=invitation", "CINEMA_SMTP_ADDR=" + addr, "CINEMA_SMTP_TLS=none", "CINEMA_SMTP_FROM=cinema@example.org",
		"CINEMA_PUBLIC_URL=http://cinema.test",
	}})
	admin, stranger := i.Admin(t), i.Client()
	require.Equal(t, "FORBIDDEN SIGN_UP_BY_INVITATION",
		reason(stranger.Do(t, `mutation($p: String!) { signUp(input: {login: "eve", password: $p}) { expiresAt } }`, map[string]any{"p": password})))

	var made struct {
		CreateInvitation struct{ URL string }
	}
	admin.Must(t, &made, `mutation { createInvitation(input: {roles: [EDITOR], email: "ann@example.org"}) { url } }`, nil)
	secret := box.link(t, "ann@example.org", "/invitation")
	require.True(t, strings.HasSuffix(made.CreateInvitation.URL, "#"+secret))
	ann := i.Client()
	var in struct{ AcceptInvitation cinema.Session }
	accept := map[string]any{"t": secret, "p": password}
	const acceptIt = `mutation($t: String!, $p: String!) { acceptInvitation(input: {token: $t, password: $p}) { accessToken user { id login } } }`
	ann.Must(t, &in, acceptIt, accept)
	ann.Token = in.AcceptInvitation.AccessToken
	require.Equal(t, "ann@example.org", in.AcceptInvitation.User.Login)
	require.Equal(t, "INVALID LINK_ENDED", reason(stranger.Do(t, acceptIt, accept)))

	// Whoever asks hears the same of those who are there and those who are not.
	stranger.Header = map[string]string{"X-Forwarded-Host": "evil.example"}
	known, unknown := stranger.Do(t, askForLink, map[string]any{"login": "Ann@Example.org"}), stranger.Do(t, askForLink, map[string]any{"login": "nobody@example.org"})
	require.Equal(t, string(known.Data), string(unknown.Data))
	require.Empty(t, append(known.Errors, unknown.Errors...))
	reset := box.link(t, "ann@example.org", "/reset")
	const next = "orange balloon 1977"
	stranger.Must(t, nil, resetByLink, map[string]any{"t": reset, "p": next})
	<-box // the notice
	cinema.Eventually(t, 20*time.Second, func() error {
		if a := ann.Do(t, `{ me { id } }`, nil); a.Code() != "UNAUTHENTICATED" {
			return io.ErrNoProgress
		}
		return nil
	})
	require.Equal(t, "INVALID LINK_ENDED", reason(stranger.Do(t, resetByLink, map[string]any{"t": reset, "p": password})))
	ann = i.Client()
	ann.SignIn(t, "ann@example.org", next)

	ann.Must(t, nil, `mutation { changeEmail(input: {email: "ann@example.net"}) { sentTo } }`, nil)
	stranger.Must(t, nil, `mutation($t: String!) { confirmEmail(input: {token: $t}) { email } }`, map[string]any{"t": box.link(t, "ann@example.net", "/confirm-email")})
	var back struct {
		UndoEmail struct{ Email, ResetToken string }
	}
	undo := box.link(t, "ann@example.org", "/undo-email")
	stranger.Must(t, &back, `mutation($t: String!) { undoEmail(input: {token: $t}) { email resetToken } }`, map[string]any{"t": undo})
	require.Equal(t, "ann@example.org", back.UndoEmail.Email)
	stranger.Must(t, nil, resetByLink, map[string]any{"t": back.UndoEmail.ResetToken, "p": password})
	i.Client().SignIn(t, "ann@example.org", password)

	var audit struct{ Audit json.RawMessage }
	admin.Must(t, &audit, `{ audit(filter: {action: "invitation."}) { edges { node { action target before after } } } }`, nil)
	for _, s := range []string{secret, reset, undo, back.UndoEmail.ResetToken} {
		require.NotContains(t, i.Log(), s, "no log has what stands in a link")
		require.NotContains(t, string(audit.Audit), s)
	}
	require.Contains(t, string(audit.Audit), "invitation.accept")
}
