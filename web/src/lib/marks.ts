/** Splits what the server marked between « and » from the rest. */
export function parseMarks(text: string): { text: string; marked: boolean }[] {
  const parts: { text: string; marked: boolean }[] = [];
  const pattern = /«([^«»]*)»/g;
  let at = 0;
  for (let match = pattern.exec(text); match; match = pattern.exec(text)) {
    if (match.index > at) parts.push({ text: text.slice(at, match.index), marked: false });
    if (match[1]) parts.push({ text: match[1], marked: true });
    at = match.index + match[0].length;
  }
  if (at < text.length) parts.push({ text: text.slice(at), marked: false });
  return parts;
}
