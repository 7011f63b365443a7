import { useLingui } from '@lingui/react/macro';

const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const;

/** 1.4 GB, in the language of the interface. */
export function useBytes(): (bytes: number) => string {
  const { i18n } = useLingui();
  return (bytes) => {
    let at = 0;
    let value = bytes;
    while (value >= 1000 && at < units.length - 1) {
      value /= 1000;
      at++;
    }
    return new Intl.NumberFormat(i18n.locale, { style: 'unit', unit: units[at], unitDisplay: 'short', maximumFractionDigits: at > 1 && value < 100 ? 1 : 0 }).format(value);
  };
}

/** About how long: “2 hr 5 min”, “40 sec”. */
export function useDuration(): (ms: number) => string {
  const { i18n } = useLingui();
  return (ms) => {
    const unit = (value: number, name: string) => new Intl.NumberFormat(i18n.locale, { style: 'unit', unit: name, unitDisplay: 'short', maximumFractionDigits: 0 }).format(value);
    const seconds = Math.max(1, Math.round(ms / 1000));
    if (seconds < 60) return unit(seconds, 'second');
    const minutes = Math.round(seconds / 60);
    if (minutes < 60) return unit(minutes, 'minute');
    return [unit(Math.floor(minutes / 60), 'hour'), minutes % 60 ? unit(minutes % 60, 'minute') : ''].filter(Boolean).join(' ');
  };
}
