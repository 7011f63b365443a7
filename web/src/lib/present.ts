/** Drops what is not there: titles that have left the catalogue come as null in lists of what was watched. */
export const present = <T>(list: readonly (T | null | undefined)[]): T[] => list.filter((item): item is T => item != null);
