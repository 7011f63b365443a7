// Package router is the federation router: the one GraphQL API in front of the
// subgraphs, and the public HTTP door of the program.
//
// The engine below it (planner, resolver, subscriptions) is graphql-go-tools;
// the configuration it runs on is composed at build time and committed under
// schema/. This package is what surrounds the engine:
//
//   - HTTP after the GraphQL-over-HTTP specification (http.go), subscriptions
//     over WebSocket (graphql-transport-ws, ws.go) and Server-Sent Events
//     (distinct connections mode of graphql-sse, sse.go);
//   - the life of an operation (operation.go): limits on the raw document,
//     validation with locations, literals turned into variables, a plan that is
//     made once and kept;
//   - authorisation before any subgraph is asked (auth.go);
//   - the way to the subgraphs (subgraph.go, upstream.go), in one process
//     through router/inprocess;
//   - errors in the specification's shape (errors.go, locate.go);
//   - the web app, the playground, media and uploads (site.go).
//
// # Life of a request
//
//	HTTP, WS or SSE → CSRF, size → token verified once → rate limit
//	  → document (persisted or free) → parse, limits, validate   } kept by
//	  → literals become variables → normalise → plan             } document
//	  → variables coerced → authorisation → fetches → errors rewritten
//
// # Codes
//
// The closed list in extensions.code: INVALID, UNAUTHENTICATED, FORBIDDEN,
// NOT_FOUND, CONFLICT, RATE_LIMITED, UNAVAILABLE, INTERNAL (internal/fault), and
// the router's own GRAPHQL_PARSE_FAILED, GRAPHQL_VALIDATION_FAILED,
// PERSISTED_OPERATION_NOT_FOUND and LIMIT_EXCEEDED. The subgraphs' extensions
// field and reason are passed on; everything else they say is dropped.
//
// # WebSocket
//
// connection_init may carry {"authorization": "Bearer <access token>"}. When
// the token ends, the connection is closed with 4403, unless the client renewed
// it: a ping whose payload is {"authorization": "Bearer <new token>"} of the
// same user. A program's API key is looked at again instead, then and with each
// operation. Close codes: 4400 malformed message, 4401 bad token or an operation
// before connection_init, 4403 token ended, session ended or another user's
// token, 4406 wrong subprotocol, 4408 no connection_init in time, 4409 duplicate
// id, 4429 second connection_init, 1001 shutdown, 1009 message too big.
//
// # Uploads
//
// Files never travel through GraphQL: the multipart form is refused like every
// other form. A mutation opens an upload and names its address under /uploads.
package router
