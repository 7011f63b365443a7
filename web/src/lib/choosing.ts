const key = 'cinema.choosing';

/** Whether this device has yet to say who is watching, after a sign-in to an account of several profiles. */
export function isChoosing(): boolean {
  try {
    return !!localStorage.getItem(key);
  } catch {
    return false;
  }
}

/** Notes that it has, or has not. */
export function choosing(on: boolean): void {
  try {
    if (on) localStorage.setItem(key, '1');
    else localStorage.removeItem(key);
  } catch {
    // Storage is closed to us: the question is asked once.
  }
}
