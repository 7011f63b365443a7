package media

import "github.com/netflixathome/cinema/internal/fault"

// Reasons for which an upload is refused: fault.Error.Reason and the job's
// error_code.
const (
	ReasonEmpty       = "EMPTY"
	ReasonNotAFilm    = "NOT_A_FILM"
	ReasonNotAPicture = "NOT_A_PICTURE"
	ReasonTruncated   = "TRUNCATED"
	ReasonUnsupported = "UNSUPPORTED_CODEC"
	ReasonTooLong     = "TOO_LONG"
	ReasonTooLarge    = "TOO_LARGE"
	ReasonTooSmall    = "TOO_SMALL"
	// ReasonLimit: the tool ran into a limit on time, memory or output.
	ReasonLimit = "LIMIT_EXCEEDED"
	// ReasonInternal is in error_code when the fault is ours.
	ReasonInternal = "INTERNAL"
)

func refuse(reason, format string, args ...any) *fault.Error {
	return fault.New(fault.Invalid, format, args...).WithReason(reason)
}

func notAFilm(cause error) *fault.Error {
	return refuse(ReasonNotAFilm, "This is not a film: MP4, MKV, WebM, MOV, AVI or MPEG is wanted.").Because(cause)
}

func truncated() *fault.Error {
	return refuse(ReasonTruncated, "The file ends too early: it was cut short on its way. Upload it again.")
}
