package elastic

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/search/rank"
)

// answer is what a reading of the words comes to.
type answer struct {
	words []rank.Word
	err   error
}

func TestLexicon(t *testing.T) {
	clock := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	asked, answers, failed := make(chan struct{}), make(chan answer), make(chan error, 1)
	l := newLexicon(func(ctx context.Context) ([]rank.Word, error) {
		asked <- struct{}{}
		select {
		case a := <-answers:
			return a.words, a.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}, func(err error) { failed <- err })
	l.now = func() time.Time { return clock }
	type result struct {
		words []rank.Word
		err   error
	}
	ask := func() <-chan result {
		c := make(chan result, 1)
		go func() {
			words, err := l.list(t.Context())
			c <- result{words, err}
		}()
		return c
	}

	// Whoever asks first waits, and hears of a failure.
	broken := errors.New("broken")
	first := ask()
	<-asked
	answers <- answer{err: broken}
	require.ErrorIs(t, (<-first).err, broken)
	// The next one asks again; all who wait share one reading.
	first = ask()
	<-asked
	second := ask()
	old := []rank.Word{rank.NewWord("old", 1)}
	answers <- answer{words: old}
	assert.Equal(t, old, (<-first).words)
	assert.Equal(t, old, (<-second).words)
	// What is young enough is not read again.
	clock = clock.Add(wordsAge)
	assert.Equal(t, old, (<-ask()).words)
	// What is old is read again, and nobody waits for that.
	clock = clock.Add(time.Second)
	assert.Equal(t, old, (<-ask()).words)
	<-asked
	answers <- answer{err: broken}
	require.ErrorIs(t, <-failed, broken)
	assert.Equal(t, old, (<-ask()).words, "a failure keeps the old ones, for as long again")
	clock = clock.Add(2 * wordsAge)
	assert.Equal(t, old, (<-ask()).words)
	<-asked
	fresh := []rank.Word{rank.NewWord("fresh", 1)}
	clock = clock.Add(4 * time.Second) // which the reading takes
	answers <- answer{words: fresh}
	l.work.Wait()
	assert.Equal(t, fresh, (<-ask()).words)
	// What takes long to read may be older.
	clock = clock.Add(wordsRest * 4 * time.Second)
	assert.Equal(t, fresh, (<-ask()).words)
	l.mu.Lock()
	assert.Nil(t, l.busy, "it is read again too soon")
	l.mu.Unlock()
	// Close ends a reading that is under way, and there is none after it.
	clock = clock.Add(2 * wordsAge)
	assert.Equal(t, fresh, (<-ask()).words)
	<-asked
	l.close()
	assert.Equal(t, fresh, (<-ask()).words)
}
