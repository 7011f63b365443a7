package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/gid"
	"github.com/netflixathome/cinema/subgraphs/telemetry"
)

// maxAside bounds what a service answers another.
const maxAside = 1 << 20

// aside asks a service of this program or of another for something, past the
// router.
func (a *app) aside(ctx context.Context, method, service, path, bearer string, body []byte, into any) error {
	base := "http://" + service + ".subgraph" // see router/inprocess
	if a.subgraphs[service] == nil {
		if base = a.cfg.Subgraphs[service]; base == "" {
			return fmt.Errorf("no address of the %s service", service)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	res, err := a.transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAside))
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s%s answered %s", service, path, res.Status)
	}
	return json.Unmarshal(text, into)
}

// visible asks the catalogue which of the titles and playables the bearer sees.
func (a *app) visible(ctx context.Context, bearer string, ids []gid.ID) (map[gid.ID]bool, error) {
	kinds := map[gid.Kind]string{gid.Film: "Film", gid.Series: "Series", gid.Episode: "Episode"}
	list := make([]any, len(ids))
	for i, id := range ids {
		list[i] = map[string]string{"__typename": kinds[id.Kind], "id": id.String()}
	}
	body, err := json.Marshal(map[string]any{
		"query":     `query($representations: [_Any!]!) { _entities(representations: $representations) { __typename } }`,
		"variables": map[string]any{"representations": list},
	})
	if err != nil {
		return nil, err
	}
	var answer struct {
		Data struct {
			Entities []any `json:"_entities"`
		}
		Errors []struct{ Message string }
	}
	if err := a.aside(ctx, http.MethodPost, "catalog", "/graphql", bearer, body, &answer); err != nil {
		return nil, err
	}
	if len(answer.Errors) > 0 || len(answer.Data.Entities) != len(ids) {
		return nil, fmt.Errorf("the catalogue told %d of %d titles: %v", len(answer.Data.Entities), len(ids), answer.Errors)
	}
	out := make(map[gid.ID]bool, len(ids))
	for i, id := range ids {
		out[id] = answer.Data.Entities[i] != nil
	}
	return out, nil
}

// goneProfiles asks the auth service for profiles that were deleted after a place.
func (a *app) goneProfiles(ctx context.Context, after time.Time, id uuid.UUID) ([]telemetry.GoneProfile, error) {
	var list []telemetry.GoneProfile
	query := url.Values{"at": {after.UTC().Format(time.RFC3339Nano)}, "id": {id.String()}}
	err := a.aside(ctx, http.MethodGet, "auth", "/gone-profiles.json?"+query.Encode(), "", nil, &list)
	return list, err
}
