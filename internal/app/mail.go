package app

import (
	"github.com/netflixathome/cinema/internal/mail"
	"github.com/netflixathome/cinema/internal/mail/smtp"
	"github.com/netflixathome/cinema/subgraphs/auth"
)

// wireMail makes the queue of letters; nil where there is no mail server.
func (a *app) wireMail() (auth.Post, error) {
	waiting := func(n func() int) {
		a.metrics.ask("cinema_letters_waiting", "E-mails that are neither sent nor given up.", func() float64 { return float64(n()) })
	}
	if a.cfg.SMTP.Addr == "" {
		waiting(func() int { return 0 })
		return nil, nil //nolint:nilnil // without a server there is nothing to put a letter into
	}
	sender, err := smtp.New(a.cfg.smtp())
	if err != nil {
		return nil, err
	}
	queue, err := mail.NewQueue(sender, a.log.With("part", "mail"), a.metrics.letterDone)
	if err != nil {
		return nil, err
	}
	waiting(queue.Waiting)
	a.run("mail", queue.Run)
	return queue, nil
}
