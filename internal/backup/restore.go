package backup

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/netflixathome/cinema/internal/ch"
	"github.com/netflixathome/cinema/internal/fault"
)

// ReasonNotEmpty of a *fault.Error: the instance holds something already.
const ReasonNotEmpty = "NOT_EMPTY"

// Plan is a backup that can be restored: it was made by a program that is not
// newer, it can be read, and every blob is what was written.
type Plan struct {
	Manifest *Manifest
	target   *Target
	content  *Content
}

// Prepare reads a backup (the newest one for an empty id) and checks all of it.
// It changes nothing anywhere.
func Prepare(ctx context.Context, t *Target, id string, say Progress) (*Plan, error) {
	m, err := t.Manifest(ctx, id)
	if err != nil {
		return nil, err
	}
	p := &Plan{Manifest: m, target: t}
	say("checking the backup %s of %s", m.ID, m.Moment.Format("2006-01-02 15:04:05 MST"))
	if err := t.Verify(ctx, m); err != nil {
		return nil, err
	}
	if t.keys == nil {
		var d description
		if err := t.getJSON(ctx, "target.json", &d); err != nil {
			return nil, err
		}
		if d.Encryption != "none" {
			return nil, t.wantsKey()
		}
	}
	if p.content, err = t.content(ctx, m); err != nil {
		return nil, err
	}
	return p, nil
}

// Restore puts the backup into an empty instance. It refuses any other, before
// it changes anything. When it fails half-way the instance is to be emptied and
// the restore repeated; the databases, which services look at first, are filled
// last and together.
func (p *Plan) Restore(ctx context.Context, s Stores, say Progress) error {
	if err := p.Check(s.Databases, s.Secrets); err != nil {
		return err
	}
	if p.content.Events.rows() > 0 && s.Analytics == nil {
		return fault.New(fault.Unavailable, "the backup holds statistics, and there is no ClickHouse here to put them in: set CINEMA_CLICKHOUSE_ADDR")
	}
	if s.Analytics != nil {
		// Makes the tables where they are missing, and no rows.
		if err := s.Analytics.Migrate(ctx); err != nil {
			return err
		}
	}
	if err := refuseHeld(ctx, s); err != nil {
		return err
	}
	for _, secret := range s.Secrets {
		if d, ok := p.secret(secret.Name); ok && secret.Value == nil {
			if err := secret.Keep(d.Value); err != nil {
				return fmt.Errorf("the secret %s: %w", secret.Name, err)
			}
		}
	}
	if err := restoreObjects(ctx, s.Objects, p.content.Objects, p.target, say); err != nil {
		return fmt.Errorf("the objects: %w", err)
	}
	if s.Analytics != nil && p.content.Events != nil {
		if err := restoreEvents(ctx, s.Analytics, p.content.Events, p.target); err != nil {
			return fmt.Errorf("the statistics: %w", err)
		}
		say("statistics: %d events", p.content.Events.rows())
	}
	if err := restoreTail(ctx, s.Log, p.content.Tail, p.target); err != nil {
		return fmt.Errorf("the log's tail: %w", err)
	}
	say("the log's tail: %d events", p.content.Tail.Records)
	return restoreDatabases(ctx, s.Databases, p.content.Databases, p.target, say)
}

// Check refuses what the program or the instance is not made for. It looks at
// the databases' schemas alone and changes nothing.
func (p *Plan) Check(databases []Database, secrets []Secret) error {
	if err := p.refuseNewer(databases); err != nil {
		return err
	}
	return p.checkSecrets(secrets)
}

func (p *Plan) refuseNewer(databases []Database) error {
	for _, d := range databases {
		dump, ok := find(p.content.Databases, d.Name)
		if !ok {
			return fault.New(fault.Invalid, "the backup holds no database %s", d.Name)
		}
		if err := d.refuseNewer(dump); err != nil {
			return err
		}
	}
	files, err := ch.Migrations()
	if err != nil {
		return err
	}
	known, err := Schema{FS: files}.Known()
	if err != nil {
		return err
	}
	if e := p.content.Events; e != nil && e.Version > known {
		return newer(fmt.Sprintf("the backup's statistics are at version %d, this program knows %d", e.Version, known))
	}
	return nil
}

func (p *Plan) secret(name string) (secretDump, bool) {
	for _, d := range p.content.Secrets {
		if d.Name == name {
			return d, true
		}
	}
	return secretDump{}, false
}

// checkSecrets looks that the instance will have the secrets which sessions and
// keys of the backup were made with.
func (p *Plan) checkSecrets(list []Secret) error {
	for _, s := range list {
		d, ok := p.secret(s.Name)
		switch {
		case !ok:
		case s.Value != nil && s.fingerprint() != d.Fingerprint:
			where := s.Variable
			if !s.Configured {
				where = "the data folder"
			}
			return fault.New(fault.Conflict, "%s holds another secret (%s) than the backup was made with: give it that one", where, s.Name)
		case s.Value == nil && len(d.Value) == 0:
			return fault.New(fault.Invalid, "the backup does not hold the secret %s, which was set by its operator: set %s to the same", s.Name, s.Variable)
		case s.Value == nil && (Secret{Value: d.Value}).fingerprint() != d.Fingerprint:
			return damaged(fmt.Errorf("the secret %s is not what was saved", s.Name))
		case s.Value != nil && !s.Configured && !bytes.Equal(s.Value, d.Value) && len(d.Value) > 0:
			return damaged(fmt.Errorf("the secret %s is not what was saved", s.Name))
		}
	}
	return nil
}

// refuseHeld names what an instance that should be empty holds.
func refuseHeld(ctx context.Context, s Stores) error {
	var found []string
	add := func(text string, err error) error {
		if text != "" {
			found = append(found, text)
		}
		return err
	}
	for _, d := range s.Databases {
		if err := add(d.holds(ctx)); err != nil {
			return fmt.Errorf("the database %s: %w", d.Name, err)
		}
	}
	if err := add(heldObjects(ctx, s.Objects)); err != nil {
		return err
	}
	if s.Analytics != nil {
		if err := add(heldEvents(ctx, s.Analytics)); err != nil {
			return err
		}
	}
	if err := add(heldRecords(ctx, s.Log, s.Readers)); err != nil {
		return err
	}
	if len(found) > 0 {
		return fault.New(fault.Conflict, "a backup is restored into an empty instance only, and this one is not: %s; nothing was changed", strings.Join(found, "; ")).WithReason(ReasonNotEmpty)
	}
	return nil
}
