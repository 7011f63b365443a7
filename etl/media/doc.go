// Package media makes an uploaded film watchable: a source in the object store
// becomes an HLS ladder with audio and subtitle tracks, a poster frame,
// thumbnails for the seek bar, and a row that the catalogue is fed from.
//
// # How a film goes through
//
//	Queue.Enqueue ─► media_job ─► Worker: Inspect ─► Plan ─► one step after another ─► media_asset
//
// Inspect says what a file is, or refuses it with a reason. Plan is pure: what
// a file is in, the steps out, so that a restarted worker comes to the same
// list and leaves out what is recorded as done. The order puts what makes the
// film watchable first: the audio tracks, then a copy of the source's own video
// where browsers can play that (else one rung that encodes quickly), and only
// then subtitles, pictures and the other rungs. The master playlist is
// rewritten after each step, so the film gains qualities while it is watched.
//
// Audio always has playlists of its own: a ladder of four rungs then holds
// each track once, and a second language costs nothing on the video side.
//
// # A file from outside is hostile
//
// The demuxer is chosen by the first bytes and forced, out of a closed list
// that has no playlist, no concatenation and no image sequence in it, so no
// file can make ffmpeg open another one; the only protocol is file. The tools
// run in a process group of their own, as an unprivileged user when we are
// root, with an empty environment, at low priority, with limits on address
// space, CPU, file size, output and wall-clock. The input is always called
// "input" in a fresh folder; nothing from the file or its name is an argument.
//
// # Keys
//
//	renditions/<asset>/master.m3u8
//	renditions/<asset>/<rung>/index.m3u8, init.mp4, seg_00000.m4s …
//	renditions/<asset>/a0/…            audio tracks, likewise
//	renditions/<asset>/s0/index.m3u8, subtitles.vtt
//	renditions/<asset>/thumbs/thumbs.vtt, sprite_001.jpg …
//	renditions/<asset>/poster.jpg
//
// A token for the folder renditions/<asset>/ opens all of it.
package media
