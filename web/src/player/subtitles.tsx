import { useEffect, useState, type RefObject } from 'react';
import { cx } from '~/ui/cx';

interface Props {
  video: RefObject<HTMLVideoElement | null>;
  /** Index among the tracks; -1 for none. */
  chosen: number;
  /** The controls are there: stand above them. */
  raised: boolean;
}

/** Runs one track without the browser drawing it (“hidden”), and stops the others. */
function show(tracks: TextTrackList, chosen: number): TextTrack | undefined {
  for (let i = 0; i < tracks.length; i++) tracks[i]!.mode = i === chosen ? 'hidden' : 'disabled';
  return tracks[chosen];
}

/** Draws the cues of the chosen track, so that they look the same everywhere and step aside for the controls. */
export function Subtitles({ video, chosen, raised }: Props) {
  const [lines, setLines] = useState<readonly string[]>([]);
  useEffect(() => {
    const tracks = video.current?.textTracks;
    if (!tracks) return;
    const shown = show(tracks, chosen);
    const draw = () => {
      setLines(
        Array.from(shown?.activeCues ?? []).flatMap((cue) =>
          // Tags of WebVTT (<i>, <c.x>, <v Name>) have no meaning here; the words stay.
          'text' in cue ? String(cue.text).replace(/<[^>]*>/g, '').split('\n') : [],
        ),
      );
    };
    shown?.addEventListener('cuechange', draw);
    draw();
    return () => shown?.removeEventListener('cuechange', draw);
  }, [video, chosen]);
  if (lines.length === 0) return null;
  return (
    <div
      className={cx(
        'pointer-events-none absolute inset-x-4 flex flex-col items-center text-center transition-[bottom]',
        raised ? 'bottom-32' : 'bottom-[6%]',
      )}
    >
      {lines.map((line, i) => (
        <span
          key={i}
          className="rounded-sm bg-black/65 px-2 text-[clamp(1rem,0.6rem+1.6vw,2.25rem)] leading-[1.35] font-medium text-white [text-shadow:0_1px_2px_rgb(0_0_0/0.8)]"
        >
          {line}
        </span>
      ))}
    </div>
  );
}
