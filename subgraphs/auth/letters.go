package auth

import (
	"context"
	"fmt"
	"html/template"
	"strings"

	"golang.org/x/text/language"

	"github.com/netflixathome/cinema/internal/mail"
)

// What is written to people, in English and Russian. A letter that a stranger
// can have sent to any address holds nothing that the stranger wrote: it would
// be a way to send others advertisements.

type letter = mail.Letter

// The kinds of letters, as the log and the figures name them.
const (
	letterPassword        = "password_link"
	letterPasswordChanged = "password_changed"
	letterEmail           = "email_link"
	letterEmailChanged    = "email_changed"
	letterEmailSet        = "email_set"
	letterInvitation      = "invitation"
)

// LetterKinds are all kinds of letters.
func LetterKinds() []string {
	return []string{letterPassword, letterPasswordChanged, letterEmail, letterEmailChanged, letterEmailSet, letterInvitation}
}

// letterText is one letter in one language; with %s for what it is about.
type letterText struct {
	subject string
	lines   []string // before the link
	button  string   // its words; empty without a link
	after   []string
}

const (
	english = "en"
	russian = "ru"
)

// written is the language of the two in which someone is written to.
func written(tag string) string {
	t, err := language.Parse(tag)
	if err != nil {
		return english
	}
	if base, _ := t.Base(); base.String() == russian {
		return russian
	}
	return english
}

var letterForm = template.Must(template.New("letter").Parse(`<!DOCTYPE html>
<html lang="{{.Language}}"><head><meta charset="utf-8"><title>{{.Subject}}</title></head>
<body style="margin:0;padding:24px;font-family:system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;font-size:16px;line-height:1.5;color:#1a1a1a;background:#ffffff">
<div style="max-width:560px;margin:0 auto">
{{range .Lines}}<p>{{.}}</p>
{{end}}{{if .Link}}<p style="margin:24px 0"><a href="{{.Link}}" style="display:inline-block;padding:12px 20px;border-radius:8px;background:#1a1a1a;color:#ffffff;text-decoration:none">{{.Button}}</a></p>
<p style="font-size:13px;color:#555555;word-break:break-all">{{.Link}}</p>
{{end}}{{range .After}}<p style="font-size:14px;color:#555555">{{.}}</p>
{{end}}</div>
</body></html>
`))

// compose writes a letter of the texts by language.
func compose(what, tag, to, link string, texts map[string]letterText) letter {
	lang := written(tag)
	text := texts[lang]
	var plain, html strings.Builder
	paragraphs := append([]string{}, text.lines...)
	if link != "" {
		paragraphs = append(paragraphs, link)
	}
	plain.WriteString(strings.Join(append(paragraphs, text.after...), "\n\n") + "\n")
	// It fails for a broken template alone, which the tests would show.
	if err := letterForm.Execute(&html, map[string]any{
		"Language": lang, "Subject": text.subject, "Lines": text.lines, "After": text.after, "Link": link, "Button": text.button,
	}); err != nil {
		html.Reset()
	}
	return letter{What: what, To: to, Subject: text.subject, Text: plain.String(), HTML: html.String(), Language: lang}
}

func passwordLetter(tag string, u *User, link string) letter {
	return compose(letterPassword, tag, u.address(), link, map[string]letterText{
		english: {
			"A new password", []string{
				"Someone, we hope you, asked for a new password.",
				fmt.Sprintf("The login of your account is %s.", u.Login),
				"Follow this link within 30 minutes to choose one. It works once; only the newest does.",
			}, "Choose a new password",
			[]string{"If it was not you, there is nothing to do: nothing has changed."},
		},
		russian: {
			"Новый пароль", []string{
				"Кто-то — надеемся, вы — попросил новый пароль.",
				fmt.Sprintf("Логин вашего аккаунта: %s.", u.Login),
				"Откройте эту ссылку в течение 30 минут, чтобы выбрать пароль. Она действует один раз; работает только самая новая.",
			}, "Выбрать новый пароль",
			[]string{"Если это были не вы, делать ничего не нужно: ничего не изменилось."},
		},
	})
}

func passwordChangedLetter(tag, to string) letter {
	return compose(letterPasswordChanged, tag, to, "", map[string]letterText{
		english: {
			"Your password was changed", []string{"The password of your account was changed by a link, and all devices were signed out."}, "",
			[]string{"If it was not you, ask an administrator of your cinema at once."},
		},
		russian: {
			"Пароль изменён", []string{"Пароль вашего аккаунта изменён по ссылке, и на всех устройствах выполнен выход."}, "",
			[]string{"Если это были не вы, сразу обратитесь к администратору вашего кинотеатра."},
		},
	})
}

func emailLetter(tag, to, link string) letter {
	return compose(letterEmail, tag, to, link, map[string]letterText{
		english: {
			"Confirm your e-mail address", []string{"This address was given for an account of a home cinema. Follow this link within 30 minutes to confirm that it is yours."},
			"Confirm the address", []string{"If you know nothing of it, there is nothing to do: without the link nothing happens."},
		},
		russian: {
			"Подтвердите адрес почты", []string{"Этот адрес указали для аккаунта домашнего кинотеатра. Откройте ссылку в течение 30 минут, чтобы подтвердить, что он ваш."},
			"Подтвердить адрес", []string{"Если вы об этом ничего не знаете, делать ничего не нужно: без перехода по ссылке ничего не произойдёт."},
		},
	})
}

func emailChangedLetter(tag, to, next, link string) letter {
	return compose(letterEmailChanged, tag, to, link, map[string]letterText{
		english: {
			"Your e-mail address was changed", []string{
				fmt.Sprintf("The address of your account is %s from now on. No more is sent here.", next),
				"If it was not you, take it back within 7 days: this signs out all devices, and you choose a new password.",
			}, "It was not me", nil,
		},
		russian: {
			"Адрес почты изменён", []string{
				fmt.Sprintf("Теперь адрес вашего аккаунта — %s. Сюда писем больше не будет.", next),
				"Если это были не вы, верните адрес в течение 7 дней: на всех устройствах будет выполнен выход, и вы выберете новый пароль.",
			}, "Это был не я", nil,
		},
	})
}

func emailSetLetter(tag, to string) letter {
	return compose(letterEmailSet, tag, to, "", map[string]letterText{
		english: {"Your e-mail address was changed", []string{"An administrator of your cinema gave your account another address. No more is sent here."}, "",
			[]string{"If you did not ask for it, ask an administrator."}},
		russian: {"Адрес почты изменён", []string{"Администратор вашего кинотеатра указал для вашего аккаунта другой адрес. Сюда писем больше не будет."}, "",
			[]string{"Если вы об этом не просили, обратитесь к администратору."}},
	})
}

func invitationLetter(tag, to, link string, days int) letter {
	return compose(letterInvitation, tag, to, link, map[string]letterText{
		english: {"An invitation to a home cinema", []string{
			"You are invited to a home cinema. Follow this link to make your account.",
			fmt.Sprintf("Days that it is good for: %d. It works once.", days),
		}, "Make an account", []string{"If you expect no invitation, there is nothing to do."}},
		russian: {"Приглашение в домашний кинотеатр", []string{
			"Вас приглашают в домашний кинотеатр. Откройте ссылку, чтобы создать аккаунт.",
			fmt.Sprintf("Срок действия в днях: %d. Ссылка действует один раз.", days),
		}, "Создать аккаунт", []string{"Если вы не ждёте приглашения, делать ничего не нужно."}},
	})
}

// tell writes to an account what has happened, where it has an address.
func (s *Accounts) tell(ctx context.Context, u *User, write func(tag, to string) letter) {
	if to := u.address(); to != "" {
		s.tellAt(ctx, u, to, write)
	}
}

// tellAt is tell at an address. What has happened has happened: a failure here
// is logged.
func (s *Accounts) tellAt(ctx context.Context, u *User, to string, write func(tag, to string) letter) {
	if s.links.post == nil {
		return
	}
	tag, err := s.languageOf(ctx, u.ID.UUID, "")
	if err != nil {
		s.log.ErrorContext(ctx, "auth: the language of a letter", "error", err)
	}
	s.post(ctx, write(tag, to))
}
