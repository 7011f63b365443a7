package resolver

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/gid"
	"github.com/netflixathome/cinema/subgraphs/admin"
)

const (
	// jobEvery bounds what a watcher of jobs hears: twice a second a job.
	jobEvery = 500 * time.Millisecond
	// jobReread is how often unfinished jobs are read again without a hint:
	// the bus may lose one, and a worker in another process may not share it.
	jobReread = 5 * time.Second
)

// watchJobs sends every unfinished job, then each that changes, until ctx ends.
func (r *Resolver) watchJobs(ctx context.Context, out chan<- *admin.MediaJob, hints <-chan []byte) {
	defer close(out)
	sent := map[gid.ID]admin.MediaJob{} // as last sent; ended jobs leave it
	due := map[gid.ID]bool{}
	send := func(j *admin.MediaJob) bool {
		if last, ok := sent[j.ID]; ok && same(last, *j) {
			return true
		}
		select {
		case out <- j:
		case <-ctx.Done():
			return false
		}
		if j.FinishedAt == nil {
			sent[j.ID] = *j
		} else {
			delete(sent, j.ID)
		}
		return true
	}
	reread := func() bool {
		first := admin.MaxPage
		page, err := r.records.ListJobs(ctx, admin.Unfinished[:], &first, nil)
		if err != nil {
			if ctx.Err() == nil {
				r.log.WarnContext(ctx, "jobs could not be read for a watcher", "error", err)
			}
			return ctx.Err() == nil
		}
		open := map[gid.ID]bool{}
		for i := len(page.Rows) - 1; i >= 0; i-- {
			open[page.Rows[i].ID] = true
			if !send(page.Rows[i]) {
				return false
			}
		}
		for id := range sent {
			if !open[id] {
				due[id] = true // it has ended, and no hint said so
			}
		}
		return true
	}
	if !reread() {
		return
	}
	tick, slow := time.NewTicker(jobEvery), time.NewTicker(jobReread)
	defer tick.Stop()
	defer slow.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case hint, ok := <-hints:
			if !ok {
				return
			}
			if id, ok := jobOf(hint); ok && len(due) < 1000 {
				due[id] = true
			}
		case <-slow.C:
			if !reread() {
				return
			}
		case <-tick.C:
			for id := range due {
				delete(due, id)
				j, err := r.records.Job(ctx, id)
				switch {
				case fault.KindOf(err) == fault.NotFound && err != nil:
					delete(sent, id)
					continue
				case err != nil:
					if ctx.Err() == nil {
						r.log.WarnContext(ctx, "a job could not be read for a watcher", "error", err)
					}
					continue
				}
				if !send(j) {
					return
				}
			}
		}
	}
}

func same(a, b admin.MediaJob) bool {
	return a.State == b.State && a.Step == b.Step && a.Percent == b.Percent && a.StepPercent == b.StepPercent && a.Speed == b.Speed
}

// jobOf reads the job's identifier out of a hint; the rest is read again.
func jobOf(hint []byte) (gid.ID, bool) {
	var h struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(hint, &h) != nil {
		return gid.ID{}, false
	}
	if id, err := gid.Parse(h.ID); err == nil {
		return id, id.Is(gid.MediaJob)
	}
	u, err := uuid.Parse(h.ID)
	return gid.Of(gid.MediaJob, u), err == nil
}

func (r *Resolver) jobs(ctx context.Context) (<-chan *admin.MediaJob, error) {
	// The hints first: what changes between the two is then not missed.
	hints, err := r.bus.Subscribe(ctx, admin.TopicMediaJob)
	if err != nil {
		return nil, fmt.Errorf("listen for jobs: %w", err)
	}
	out := make(chan *admin.MediaJob)
	go r.watchJobs(ctx, out, hints)
	return out, nil
}

// hint tells all watchers that a job was changed here; they find out by
// themselves if it is lost.
func (r *Resolver) hint(ctx context.Context, id gid.ID) {
	text, err := json.Marshal(map[string]string{"id": id.UUID.String()})
	if err == nil {
		err = r.bus.Publish(ctx, admin.TopicMediaJob, text)
	}
	if err != nil {
		r.log.WarnContext(ctx, "a job's change was not told", "job", id, "error", err)
	}
}
