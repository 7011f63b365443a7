package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/e2e/cinema"
)

const swapProfile = `mutation($id: ID!, $pin: String) { switchProfile(input: {profileId: $id, pin: $pin}) { accessToken profile { id } } }`

// swap goes on as a profile and takes the token.
func swap(t testing.TB, c *cinema.Client, id, pin string) *cinema.Answer {
	t.Helper()
	in := map[string]any{"id": id}
	if pin != "" {
		in["pin"] = pin
	}
	a := c.Do(t, swapProfile, in)
	var out struct{ SwitchProfile *struct{ AccessToken string } }
	if a.Code() == "" {
		require.NoError(t, json.Unmarshal(a.Data, &out))
		c.Token = out.SwitchProfile.AccessToken
	}
	return a
}

// TestProfiles is a household as a stranger to the code would attack it: a
// child's token asks for a film for adults in every way there is, a PIN is
// guessed at, and another household's profiles are reached for.
func TestProfiles(t *testing.T) {
	i := cinema.Start(t, cinema.Options{Demo: true})
	parent := i.Client()
	parent.SignUp(t, "parent", password)
	cinema.Eventually(t, 4*time.Minute, func() error { // the first film of the demo, on a busy machine
		var out titles
		parent.Must(t, &out, `{ titles(filter: {playable: true, kinds: [FILM]}, first: 1) { totalCount } }`, nil)
		if out.Titles.TotalCount == 0 {
			return errors.New("no playable film yet")
		}
		return nil
	})
	parent.SignIn(t, "parent", password) // a token lasts five minutes
	film := playable(t, parent)
	admin := i.Admin(t)
	var rec struct{ TitleRecord struct{ Version int } }
	admin.Must(t, &rec, `query($id: ID!) { titleRecord(id: $id) { version } }`, map[string]any{"id": film.ID})
	admin.Must(t, nil, `mutation($i: UpdateTitleInput!) { updateTitle(input: $i) { record { version } } }`,
		map[string]any{"i": map[string]any{"id": film.ID, "version": rec.TitleRecord.Version, "ageRating": 18}})
	var detail struct {
		Title struct {
			AgeRating *int
			Genres    []struct{ ID string }
			Credits   []struct{ Person struct{ ID string } }
		}
		Playable struct{ Playback playback }
	}
	cinema.Eventually(t, 20*time.Second, func() error {
		parent.Must(t, &detail, `query($id: ID!) { title(id: $id) { ageRating genres { id } credits { person { id } } }
			playable(id: $id) { playback { url } } }`, map[string]any{"id": film.ID})
		if detail.Title.AgeRating == nil || *detail.Title.AgeRating != 18 {
			return errors.New("its rating is not seen yet")
		}
		return nil
	})
	// The parent has it everywhere: what the child must not see is kept and warm.
	watch(t, i, parent, film, film.Playback.DurationMs/3)
	parent.Must(t, nil, `mutation($id: ID!) { setListed(input: {titleId: $id, listed: true}) { title { id } } }`, map[string]any{"id": film.ID})

	var made struct {
		CreateProfile struct{ Profile struct{ ID string } }
	}
	parent.Must(t, &made, `mutation { createProfile(input: {name: "Kid", child: true, ageLimit: 12}) { profile { id } } }`, nil)
	kid := made.CreateProfile.Profile.ID
	var me struct {
		Me struct {
			ID       string
			Profiles []struct{ ID string }
		}
	}
	parent.Must(t, &me, `{ me { id profiles { id } } }`, nil)
	grown := me.Me.Profiles[0].ID
	parent.Must(t, nil, `mutation($i: SetPinInput!) { setPin(input: $i) { profile { hasPin } } }`,
		map[string]any{"i": map[string]any{"profileId": grown, "pin": "4821", "password": password}})

	child := i.Client()
	child.SignIn(t, "parent", password)
	require.Empty(t, swap(t, child, kid, "").Code())

	t.Run("a child's token does not find a film for adults, whatever way it asks", func(t *testing.T) {
		list := `edges { node { __typename id name } } totalCount facets { genres { count genre { id titleCount } } kinds { count } }`
		for name, q := range map[string]struct {
			query     string
			variables map[string]any
		}{
			"by id":           {`query($id: ID!) { title(id: $id) { id name description } }`, nil},
			"to play":         {`query($id: ID!) { playable(id: $id) { id name ... on Film { playback { url } } } }`, nil},
			"aliased":         {`query($id: ID!) { a: title(id: $id) { ... on Film { id playback { url } } } b: playable(id: $id) { ... on Film { id } } }`, nil},
			"all":             {`{ titles(first: 100) { ` + list + ` } }`, nil},
			"wider than may":  {`{ titles(first: 100, filter: {ageRatingMax: 21}) { ` + list + ` } }`, nil},
			"playable":        {`{ titles(first: 100, filter: {playable: true}) { ` + list + ` } }`, nil},
			"by name":         {`query($name: String!) { titles(query: $name, first: 100) { suggestion ` + list + ` } }`, map[string]any{"name": film.Name}},
			"by genre":        {`query($g: [ID!]) { titles(filter: {genreIds: $g}, first: 100) { ` + list + ` } }`, map[string]any{"g": ids(detail.Title.Genres)}},
			"featured":        {`{ featured { id name } }`, nil},
			"popular":         {`{ popular(first: 50) { id listed } }`, nil},
			"list":            {`{ myList(first: 200) { id } }`, nil},
			"begun":           {`{ continueWatching(first: 50) { playable { id } title { id } watchState { positionMs } } }`, nil},
			"listed by id":    {`mutation($id: ID!) { setListed(input: {titleId: $id, listed: true}) { title { id ... on Film { name } } } }`, nil},
			"rated by id":     {`mutation($id: ID!) { setRating(input: {titleId: $id, rating: 9}) { title { id ... on Film { name } } } }`, nil},
			"forgotten by id": {`mutation($id: ID!) { forgetProgress(input: {playableId: $id}) { playable { id ... on Film { name playback { url } } } } }`, nil},
			"record":          {`query($id: ID!) { titleRecord(id: $id) { id originalName } }`, nil},
		} {
			variables := map[string]any{"id": film.ID}
			if q.variables != nil {
				variables = q.variables
			}
			for range 2 { // made, then kept
				a := child.Do(t, q.query, variables)
				require.NotContains(t, string(a.Data), film.ID, name)
				require.NotContains(t, string(a.Data), "/media/", name)
			}
		}
		for _, c := range detail.Title.Credits {
			a := child.Do(t, `query($id: ID!) { person(id: $id) { titles(first: 100) { totalCount edges { node { id similar(first: 100) { title { id } } } } } } }`, map[string]any{"id": c.Person.ID})
			require.NotContains(t, string(a.Data), film.ID)
		}
	})
	t.Run("nor does it open a viewing session of it", func(t *testing.T) {
		body, err := json.Marshal(map[string]any{"query": watchSubscription, "variables": map[string]any{"i": map[string]any{
			"sessionUuid": newID(), "playableId": film.ID, "titleId": film.ID, "durationMs": 1000, "device": device}}})
		require.NoError(t, err)
		res := child.Request(t, http.MethodPost, "/graphql", strings.NewReader(string(body)), map[string]string{"Accept": "text/event-stream", "Content-Type": "application/json"})
		defer res.Body.Close()
		var text strings.Builder
		lines := bufio.NewScanner(res.Body)
		for !strings.Contains(text.String(), "NOT_FOUND") && lines.Scan() {
			text.WriteString(lines.Text())
		}
		require.Contains(t, text.String(), "NOT_FOUND")
		require.NotContains(t, text.String(), "sessionId")
	})
	t.Run("it manages nothing", func(t *testing.T) {
		for _, q := range []string{
			`mutation { createProfile(input: {name: "x"}) { profile { id } } }`,
			`mutation { updateProfile(input: {id: "` + kid + `", child: false}) { profile { id } } }`,
			`mutation { deleteProfile(input: {id: "` + grown + `"}) { deletedId } }`,
			`mutation { setPin(input: {profileId: "` + grown + `", password: "` + password + `"}) { profile { id } } }`,
			`mutation { changePassword(input: {password: "` + password + `", newPassword: "orange balloon 1977"}) { ended } }`,
			`mutation { endSessions(input: {}) { ended } }`,
			`{ me { sessions { id } } }`, `{ me { signIns { edges { cursor } } } }`, `{ users { totalCount } }`,
		} {
			require.Equal(t, "FORBIDDEN", child.Do(t, q, nil).Code(), q)
		}
	})
	t.Run("a PIN is not guessed by aliases, nor by many connections", func(t *testing.T) {
		require.Equal(t, "FORBIDDEN", swap(t, child, grown, "").Code())
		// The router bounds what one document may hold; what it lets through is counted.
		for at := 0; at < 30; at += 10 {
			var q strings.Builder
			q.WriteString("mutation {")
			for n := range 10 {
				fmt.Fprintf(&q, ` g%d: switchProfile(input: {profileId: "%s", pin: "%04d"}) { accessToken }`, n, grown, at+n)
			}
			q.WriteString("}")
			require.NotContains(t, string(child.Do(t, q.String(), nil).Data), "eyJ")
		}
		var wrong atomic.Int32
		var all sync.WaitGroup
		for n := range 30 {
			all.Go(func() {
				one := i.Client()
				one.Token = child.Token
				if a := one.Do(t, swapProfile, map[string]any{"id": grown, "pin": strconv.Itoa(5000 + n)}); a.Code() != "RATE_LIMITED" {
					wrong.Add(1)
				}
			})
		}
		all.Wait()
		require.LessOrEqual(t, wrong.Load(), int32(5))
		body, err := json.Marshal(map[string]any{"query": swapProfile, "variables": map[string]any{"id": grown, "pin": "4821"}})
		require.NoError(t, err)
		res := child.Request(t, http.MethodPost, "/graphql", strings.NewReader(string(body)), map[string]string{"Content-Type": "application/json"})
		_ = res.Body.Close()
		seconds, err := strconv.Atoi(res.Header.Get("Retry-After"))
		require.NoError(t, err, "it says how long to wait, and does not look at the right one either")
		require.Positive(t, seconds)
	})
	t.Run("another household's profiles are out of reach", func(t *testing.T) {
		stranger := i.Client()
		stranger.SignUp(t, "stranger", password)
		require.Equal(t, "NOT_FOUND", swap(t, stranger, kid, "").Code())
		require.Equal(t, "NOT_FOUND", swap(t, stranger, grown, "4821").Code())
		require.Equal(t, "NOT_FOUND", stranger.Do(t, `mutation($id: ID!) { deleteProfile(input: {id: $id}) { deletedId } }`, map[string]any{"id": kid}).Code())
		require.Equal(t, "NOT_FOUND", stranger.Do(t, `mutation($id: ID!) { updateProfile(input: {id: $id, child: false}) { profile { id } } }`, map[string]any{"id": kid}).Code())
		require.Equal(t, "NOT_FOUND", stranger.Do(t, `mutation($id: ID!) { setPin(input: {profileId: $id, pin: "1111", password: "`+password+`"}) { profile { id } } }`, map[string]any{"id": grown}).Code())
	})
	t.Run("a switch ends what was made for the profile before", func(t *testing.T) {
		one := i.Client()
		one.SignUp(t, "switcher", password)
		var out struct {
			CreateProfile struct{ Profile struct{ ID string } }
		}
		one.Must(t, &out, `mutation { createProfile(input: {name: "Kid", child: true, ageLimit: 6}) { profile { id } } }`, nil)
		var got struct{ Playable struct{ Playback playback } }
		one.Must(t, &got, `query($id: ID!) { playable(id: $id) { ... on Film { playback { url } } } }`, map[string]any{"id": film.ID})
		status, _ := one.Get(t, got.Playable.Playback.URL)
		require.Equal(t, 200, status)
		before := i.Client()
		before.Token = one.Token
		require.Empty(t, swap(t, one, out.CreateProfile.Profile.ID, "").Code())
		cinema.Eventually(t, 20*time.Second, func() error {
			if code := before.Do(t, `{ me { id } }`, nil).Code(); code != "UNAUTHENTICATED" {
				return fmt.Errorf("the token of before: %q", code)
			}
			if status, _ := one.Get(t, got.Playable.Playback.URL); status != http.StatusForbidden {
				return fmt.Errorf("the film's address of before: %d", status)
			}
			return nil
		})
		one.Must(t, nil, `{ me { id } }`, nil)
	})
	t.Run("a profile that is deleted leaves nothing behind", func(t *testing.T) {
		owner := i.Client()
		owner.SignUp(t, "owner", password)
		var out struct {
			CreateProfile struct{ Profile struct{ ID string } }
		}
		owner.Must(t, &out, `mutation { createProfile(input: {name: "Second"}) { profile { id } } }`, nil)
		second := i.Client()
		second.SignIn(t, "owner", password)
		require.Empty(t, swap(t, second, out.CreateProfile.Profile.ID, "").Code())
		watch(t, i, second, film, film.Playback.DurationMs/3)
		owner.Must(t, nil, `mutation($id: ID!) { deleteProfile(input: {id: $id}) { deletedId } }`, map[string]any{"id": out.CreateProfile.Profile.ID})
		cinema.Eventually(t, 20*time.Second, func() error {
			if code := second.Do(t, `{ continueWatching { watchState { positionMs } } }`, nil).Code(); code != "UNAUTHENTICATED" {
				return fmt.Errorf("its token: %q", code)
			}
			return nil
		})
	})
}

func ids(list []struct{ ID string }) []string {
	out := make([]string, len(list))
	for i, x := range list {
		out[i] = x.ID
	}
	return out
}
