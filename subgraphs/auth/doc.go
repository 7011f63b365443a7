// Package auth is the auth subgraph: accounts, profiles and sessions.
//
// Accounts holds the rules; its Store (postgres/) holds the rows; resolver/
// speaks GraphQL. The package also binds the schema's User, Profile and Role.
//
// # Sessions
//
// A session is one signed-in device. It is carried by two tokens:
//
//   - an access token, a JWT of five minutes (internal/authn), kept by the SPA
//     in memory only, and checked by every service without asking this one;
//   - a refresh token, opaque, in an HttpOnly cookie, good for one use, after
//     which it is replaced. See refresh.go for how a stolen one is noticed.
//
// A session that ends (sign-out, block, new password, a replayed refresh token)
// is announced on the bus, and everyone who verifies access tokens refuses its
// tokens from then on. When what an account may do changes, its sessions go on,
// but tokens from before are refused: the next one says what may be done now.
//
// # Administration
//
// What one account does to others or to roles goes through administer: one at a
// time, judged by what whoever asks may do at that moment, with its line of the
// audit log in the same transaction. Whatever else administers (resets of a second
// factor, keys for programs) belongs there as well.
//
// # Links
//
// What is done without a sign-in by whoever holds a link (a new password, another
// address, an invitation) begins in links.go. Whatever makes an account for a
// person asks maySignUp first. Letters are composed in letters.go.
//
// # Profiles
//
// A session goes on with one profile at a time, on a seat that is another one
// for each (docs/adr/0115). A child's profile has an age limit, which the
// catalogue enforces, and manages nothing: Allow names what is open to it, so a
// new mutation is closed. A profile may have a PIN: see pin.go.
//
// # Sign-in
//
// Whether a login exists must not be told by the answer nor by its time: a
// login nobody has is compared with a hash nobody knows the password of.
// Attempts are counted here, where the credential is compared, so that aliases
// and batches in one document do not get around it. Hashing takes 19 MiB each
// time, so only a few run at once and a bounded number waits (see password.go).
package auth
