/** A path of this origin that is safe to go to, or the home page. */
export function samePath(next: unknown): string {
  if (typeof next !== 'string' || !next.startsWith('/') || next.startsWith('//') || next.includes('\\')) return '/';
  try {
    const url = new URL(next, 'http://here.invalid');
    if (url.origin !== 'http://here.invalid') return '/';
    if (url.pathname === '/signin' || url.pathname === '/signup') return '/';
    return url.pathname + url.search + url.hash;
  } catch {
    return '/';
  }
}
