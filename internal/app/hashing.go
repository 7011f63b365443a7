package app

import (
	"fmt"
	"time"

	"github.com/netflixathome/cinema/internal/hashing"
)

// idleHashing is after how long without a sign-in the processes that hash
// passwords end; a new one takes 50 ms.
const idleHashing = time.Minute

// wireHashing makes what hashes passwords beside the program. Nothing runs until
// somebody signs in.
func (a *app) wireHashing() (*hashing.Processes, error) {
	path, args, err := hashing.Self()
	if err != nil {
		return nil, fmt.Errorf("this program's own file: %w", err)
	}
	hashes := hashing.New(path, args, idleHashing, a.log.With("part", "auth"))
	a.closers = append(a.closers, hashes.Close)
	return hashes, nil
}
