/** A picture for a span of time: a part of a sprite. */
export interface Thumbnail {
  fromMs: number;
  toMs: number;
  url: string;
  x: number;
  y: number;
  width: number;
  height: number;
}

function timeMs(text: string): number {
  const match = /^(?:(\d+):)?(\d{1,2}):(\d{1,2})\.(\d{3})$/.exec(text.trim());
  if (!match) return NaN;
  return ((Number(match[1] ?? 0) * 60 + Number(match[2])) * 60 + Number(match[3])) * 1000 + Number(match[4]);
}

/** Reads a WebVTT whose cues point into sprites by #xywh (Media Fragments 1.0). Cues that make no sense are left out. */
export function parseThumbnails(text: string, base: string): Thumbnail[] {
  const found: Thumbnail[] = [];
  for (const block of text.replace(/\r\n?/g, '\n').split(/\n{2,}/)) {
    const lines = block.split('\n').filter((line) => line.trim() !== '');
    const at = lines.findIndex((line) => line.includes('-->'));
    const target = lines[at + 1]?.trim();
    if (at < 0 || !target) continue;
    const [from = '', to = ''] = lines[at]!.split('-->');
    const fromMs = timeMs(from);
    const toMs = timeMs(to.trim().split(/\s+/)[0] ?? '');
    const part = /#xywh=(?:pixel:)?(\d+),(\d+),(\d+),(\d+)$/.exec(target);
    if (!(toMs > fromMs) || !part) continue;
    const [, x, y, width, height] = part.map(Number);
    if (!width || !height) continue;
    try {
      const url = new URL(target.slice(0, target.lastIndexOf('#')), base).href;
      found.push({ fromMs, toMs, url, x: x!, y: y!, width, height });
    } catch {
      continue; // Not an address.
    }
  }
  return found.sort((a, b) => a.fromMs - b.fromMs);
}

/** The picture for a moment, found by halving; null before the first and in gaps. */
export function thumbnailAt(list: readonly Thumbnail[], ms: number): Thumbnail | null {
  let low = 0;
  let high = list.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const cue = list[middle]!;
    if (ms < cue.fromMs) high = middle - 1;
    else if (ms >= cue.toMs) low = middle + 1;
    else return cue;
  }
  return null;
}
