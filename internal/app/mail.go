package app

import (
	"github.com/netflixathome/cinema/internal/mail"
	"github.com/netflixathome/cinema/internal/mail/smtp"
	"github.com/netflixathome/cinema/subgraphs/auth"
)

// wireMail makes the queue of letters; nil where there is no mail server.
func (a *app) wireMail() (auth.Post, error) {
	if a.cfg.SMTP.Addr == "" {
		return nil, nil //nolint:nilnil // without a server there is nothing to put a letter into
	}
	sender, err := smtp.New(a.cfg.smtp())
	if err != nil {
		return nil, err
	}
	queue, err := mail.NewQueue(sender, a.log.With("part", "mail"))
	if err != nil {
		return nil, err
	}
	a.run("mail", queue.Run)
	return queue, nil
}
