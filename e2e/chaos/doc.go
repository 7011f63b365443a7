// Package chaos breaks a cluster of the cinema piece by piece, under load, and
// counts what became of everything that a client was told.
//
// Viewers, an admin and newcomers do what people do, as the web app does it:
// what was not answered is sent again with the same identity. Each answer is
// noted. Meanwhile one fault after the other is made and mended: programs and
// servers are killed and started again, connections are cut or slowed, a disk
// is filled. In the end, when everything is back, each acknowledged event must
// be in ClickHouse exactly once, each saved title in the index as it is in
// Postgres, each watch position the last acknowledged one, and each account
// must sign in. Run it by scripts/chaos.
package chaos
