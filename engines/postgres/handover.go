package postgres

import (
	"fmt"
	"os"
	"runtime"
	"strconv"

	"github.com/netflixathome/cinema/engines/child"
	"github.com/netflixathome/cinema/internal/fault"
)

// handover gives folders to a child that runs as another user, as descriptors
// where the system can do that (see the package doc), as plain paths
// otherwise. The files are closed by whoever starts the child.
type handover struct {
	user  *child.User
	files []*os.File
}

// firstFD is the number of a child's first extra descriptor.
const firstFD = 3

// folder is the name by which the child finds the folder at path.
func (h *handover) folder(path string) (string, error) {
	if h.user == nil {
		return path, nil
	}
	if runtime.GOOS != "linux" {
		if !h.user.Reaches(path) {
			return "", fault.New(fault.Unavailable,
				"running as root, and the account %s, as which Postgres has to run, cannot reach %s: start as an ordinary user, or choose another data folder",
				h.user.Name, path).WithReason(ReasonOwner)
		}
		return path, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("postgres: %w", err)
	}
	h.files = append(h.files, f)
	return "/proc/self/fd/" + strconv.Itoa(firstFD+len(h.files)-1), nil
}

func (h *handover) close() {
	for _, f := range h.files {
		_ = f.Close()
	}
}
