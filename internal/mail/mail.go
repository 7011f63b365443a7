// Package mail takes letters and sees that they are sent: a bounded queue in
// memory with one owner, which repeats with growing pauses and gives up loudly.
//
// A letter's text holds links that open accounts. Neither it nor what a server
// said about it is logged: a filter may quote the link that it did not like.
package mail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"
)

// Letter is one e-mail to one address.
type Letter struct {
	// What says in the log and the figures which kind of letter it is, such as
	// password_link; it is of a closed set and holds nothing of whom it is for.
	What string
	// To is a bare address.
	To         string
	Subject    string
	Text, HTML string
	Language   string // BCP 47
}

// Sender sends one letter. A failure that repeating does not mend is a Refused.
type Sender interface {
	Send(ctx context.Context, l Letter) error
}

// Refused is the cause of a failure that is final.
type Refused struct{ Err error }

func (r *Refused) Error() string { return r.Err.Error() }
func (r *Refused) Unwrap() error { return r.Err }

// ErrFull says that the queue has no room.
var ErrFull = errors.New("mail: too many letters are waiting")

const (
	// capacity bounds the letters that wait, of some 10 kB each.
	capacity = 500
	// A server that is away for some minutes costs no letter; the links in them
	// live half an hour.
	tries     = 5
	firstWait = 5 * time.Second
	// oneTry bounds a conversation with the server.
	oneTry = 20 * time.Second
	// atTheEnd is how long letters that wait are still sent when the program ends.
	atTheEnd = 3 * time.Second
)

// Result is what came of a letter, or of a try to send it.
type Result string

// The results.
const (
	Sent Result = "sent"
	// Repeated is a try that failed; the letter waits for the next.
	Repeated Result = "repeated"
	// Rejected is a letter that the server does not want: of its address, mostly.
	Rejected Result = "refused"
	// Lost is one that was given up: the server stayed away, there was no room, or
	// the program ended.
	Lost Result = "lost"
)

// Results are all of them.
func Results() []Result { return []Result{Sent, Repeated, Rejected, Lost} }

// Told hears of each result, and how long ago the letter was posted.
type Told func(what string, r Result, age time.Duration)

// Queue sends letters in the background.
type Queue struct {
	sender Sender
	log    *slog.Logger
	told   Told
	in     chan waiting
	held   atomic.Int64
}

type waiting struct {
	Letter
	posted time.Time
	tries  int
	due    time.Time
}

// NewQueue makes a queue before a sender; told may be nil. Nothing is sent until Run.
func NewQueue(sender Sender, log *slog.Logger, told Told) (*Queue, error) {
	if sender == nil || log == nil {
		return nil, errors.New("mail: a sender and a logger are required")
	}
	if told == nil {
		told = func(string, Result, time.Duration) {}
	}
	return &Queue{sender: sender, log: log, told: told, in: make(chan waiting, capacity)}, nil
}

// Waiting is how many letters are neither sent nor given up.
func (q *Queue) Waiting() int { return int(q.held.Load()) }

func (q *Queue) tell(w *waiting, r Result) { q.told(w.What, r, time.Since(w.posted)) }

// Post takes a letter to be sent soon. It never waits: without room it is ErrFull.
func (q *Queue) Post(l Letter) error {
	if q.held.Add(1) > capacity {
		q.held.Add(-1)
		q.told(l.What, Lost, 0)
		return ErrFull
	}
	q.in <- waiting{Letter: l, posted: time.Now()} // there is room: no more than capacity are held
	return nil
}

// Run sends until ctx ends, then tries once more what is left.
func (q *Queue) Run(ctx context.Context) error {
	var later []waiting // those to be repeated, the next one first
	for {
		var next <-chan time.Time
		var timer *time.Timer
		if len(later) > 0 {
			timer = time.NewTimer(time.Until(later[0].due))
			next = timer.C
		}
		var w waiting
		select {
		case <-ctx.Done():
			q.last(ctx, later)
			return nil
		case w = <-q.in:
		case <-next:
			w, later = later[0], later[1:]
		}
		if timer != nil {
			timer.Stop()
		}
		if q.try(ctx, &w) {
			continue
		}
		at, _ := slices.BinarySearchFunc(later, w.due, func(o waiting, due time.Time) int { return o.due.Compare(due) })
		later = slices.Insert(later, at, w)
	}
}

// try sends a letter once and says whether it is done with.
func (q *Queue) try(ctx context.Context, w *waiting) (done bool) {
	one, cancel := context.WithTimeout(context.WithoutCancel(ctx), oneTry)
	defer cancel()
	err := q.sender.Send(one, w.Letter)
	w.tries++
	var refused *Refused
	switch {
	case err == nil:
		q.tell(w, Sent)
	case errors.As(err, &refused):
		q.lost(ctx, *w, Rejected, err)
	case w.tries >= tries:
		q.lost(ctx, *w, Lost, err)
	default:
		w.due = time.Now().Add(firstWait << (2 * (w.tries - 1))) // 5 s, 20 s, 80 s, 5 min
		q.log.WarnContext(ctx, "mail: a letter could not be sent and is tried again", "what", w.What, "tries", w.tries, "error", err)
		q.tell(w, Repeated)
		return false
	}
	q.held.Add(-1)
	return true
}

// last sends what is left while there is time, and says what is lost.
func (q *Queue) last(ctx context.Context, left []waiting) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), atTheEnd)
	defer cancel()
	for {
		select {
		case w := <-q.in:
			left = append(left, w)
			continue
		default:
		}
		break
	}
	for _, w := range left {
		err := ctx.Err()
		if err == nil {
			err = q.sender.Send(ctx, w.Letter)
		}
		if err != nil {
			q.lost(ctx, w, Lost, fmt.Errorf("the program ends: %w", err))
		} else {
			q.tell(&w, Sent)
		}
		q.held.Add(-1)
	}
}

func (q *Queue) lost(ctx context.Context, w waiting, r Result, err error) {
	q.tell(&w, r)
	q.log.ErrorContext(ctx, "mail: a letter is lost", "what", w.What, "tries", w.tries, "error", err)
}
