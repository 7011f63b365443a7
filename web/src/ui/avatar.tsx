/** A profile's picture on its colour, in the ink that can be read on it: a drawing, or its first letter. */
export function Avatar({ name, colour, avatar = 'LETTER', size }: { name: string; colour: string; avatar?: string; size: number }) {
  const ink = inkOn(colour);
  return (
    <span
      aria-hidden
      className="grid shrink-0 place-items-center rounded-md font-semibold"
      style={{ background: colour, color: ink, width: size, height: size, fontSize: size * 0.46 }}
    >
      {avatar === 'LETTER' ? (
        (Array.from(name.trim())[0]?.toLocaleUpperCase() ?? '?')
      ) : (
        <span className="size-3/4" style={{ background: ink, mask: `url(/avatars/${avatar.toLowerCase()}.svg)` }} />
      )}
    </span>
  );
}

/** Black or white, whichever stands out more on #rrggbb (WCAG 2 relative luminance). */
export function inkOn(colour: string): string {
  const channel = (at: number) => {
    const c = parseInt(colour.slice(at, at + 2), 16) / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  };
  const luminance = 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
  return luminance > 0.179 ? '#111' : '#fff';
}
