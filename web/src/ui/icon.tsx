import type { SVGProps } from 'react';

/** Drawn for this program on a 24 grid with a 1.75 stroke; `fill` marks the solid ones. */
const shapes = {
  play: { d: 'M7 4.8v14.4a.6.6 0 0 0 .92.5l11-7.2a.6.6 0 0 0 0-1l-11-7.2A.6.6 0 0 0 7 4.8z', fill: true },
  pause: { d: 'M7 4.5h3.2v15H7zM13.8 4.5H17v15h-3.2z', fill: true },
  plus: { d: 'M12 5v14M5 12h14' },
  check: { d: 'M5 12.5l4.5 4.5L19 7.5' },
  close: { d: 'M6 6l12 12M18 6L6 18' },
  search: { d: 'M11 4.5a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13zM16 16l4 4' },
  left: { d: 'M14.5 5.5L8 12l6.5 6.5' },
  right: { d: 'M9.5 5.5L16 12l-6.5 6.5' },
  down: { d: 'M5.5 9.5L12 16l6.5-6.5' },
  up: { d: 'M5.5 14.5L12 8l6.5 6.5' },
  back: { d: 'M19 12H5M11 6l-6 6 6 6' },
  more: { d: 'M5.5 10.6a1.4 1.4 0 1 1 0 2.8 1.4 1.4 0 0 1 0-2.8zM12 10.6a1.4 1.4 0 1 1 0 2.8 1.4 1.4 0 0 1 0-2.8zM18.5 10.6a1.4 1.4 0 1 1 0 2.8 1.4 1.4 0 0 1 0-2.8z', fill: true },
  star: { d: 'M12 3.6l2.6 5.3 5.8.8-4.2 4.1 1 5.8-5.2-2.7-5.2 2.7 1-5.8L3.600 9.700l5.8-.8z' },
  starFull: { d: 'M12 3.6l2.6 5.3 5.8.8-4.2 4.1 1 5.8-5.2-2.7-5.2 2.7 1-5.8L3.600 9.700l5.8-.8z', fill: true },
  user: { d: 'M12 4a4 4 0 1 1 0 8 4 4 0 0 1 0-8zM4.500 20c.6-3.8 3.700-6 7.500-6s6.900 2.200 7.500 6' },
  volume: { d: 'M4 9.500v5h3.500L12 18.500v-13L7.500 9.500zM15.500 9a4.200 4.200 0 0 1 0 6M18 6.500a7.800 7.800 0 0 1 0 11' },
  volumeLow: { d: 'M4 9.500v5h3.500L12 18.500v-13L7.500 9.500zM15.500 9a4.200 4.200 0 0 1 0 6' },
  mute: { d: 'M4 9.500v5h3.500L12 18.500v-13L7.500 9.500zM16 9.500l5 5M21 9.500l-5 5' },
  subtitles: { d: 'M4 6h16v12H4zM7 14.500h5M14.500 14.500H17M7 11h2.500M12 11h5' },
  gear: { d: 'M12 9a3 3 0 1 1 0 6 3 3 0 0 1 0-6zM12 3v3M12 18v3M3 12h3M18 12h3M5.600 5.600l2.200 2.200M16.200 16.200l2.200 2.200M18.400 5.600l-2.200 2.200M7.800 16.200l-2.200 2.200' },
  pip: { d: 'M3.500 5.500h17v13h-17zM12 12h6v4h-6z' },
  full: { d: 'M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5' },
  window: { d: 'M9 4v5H4M20 9h-5V4M15 20v-5h5M4 15h5v5' },
  next: { d: 'M5 5.500v13l9.500-6.500zM18 5v14' },
  restart: { d: 'M5 12a7 7 0 1 0 2.300-5.200M4.500 4v4.300h4.300' },
  offline: { d: 'M4 4l16 16M8.500 14.500a5 5 0 0 1 5.600-1M5.500 11.300a9 9 0 0 1 4-2.300M13 8.700a9 9 0 0 1 5.500 2.600M12 18h.01' },
  keyboard: { d: 'M3 6.500h18v11H3zM6.500 10h.01M10 10h.01M13.500 10h.01M17 10h.01M8 14h8' },
  trash: { d: 'M5 7h14M9.500 7V4.500h5V7M7 7l.8 12.500h8.400L17 7M10.500 11v5M13.500 11v5' },
  pencil: { d: 'M5 19l.8-3.800L15.500 5.500l3 3L8.800 18.200zM13.500 7.500l3 3' },
  info: { d: 'M12 3.500a8.500 8.500 0 1 1 0 17 8.500 8.500 0 0 1 0-17zM12 11v5M12 8h.01' },
  alert: { d: 'M12 4l9 15.500H3zM12 10v4.500M12 17h.01' },
  filter: { d: 'M4 7h16M7 12h10M10 17h4' },
  sort: { d: 'M8 5v14M8 5L5 8M8 5l3 3M16 19V5M16 19l-3-3M16 19l3-3' },
  upload: { d: 'M12 15.500v-11M7.500 8.500L12 4l4.500 4.500M4.500 15.500v4h15v-4' },
  out: { d: 'M10 4.500H5v15h5M14.500 8l4 4-4 4M18.500 12H9.500' },
  film: { d: 'M4 5h16v14H4zM8 5v14M16 5v14M4 9.500h4M4 14.500h4M16 9.500h4M16 14.500h4' },
  chart: { d: 'M4.500 19.500h15M7 16v-5M12 16V6M17 16v-8' },
  list: { d: 'M8.500 6.500H20M8.500 12H20M8.500 17.500H20M4.500 6.500h.01M4.500 12h.01M4.500 17.500h.01' },
  tag: { d: 'M4 4.500h7.500l8.500 8.500-7 7L4.500 11.500zM8 8.500h.01' },
  people: { d: 'M9 5a3.300 3.300 0 1 1 0 6.600A3.300 3.300 0 0 1 9 5zM3 19c.4-3.200 2.800-5 6-5s5.600 1.800 6 5M15.500 5.300a3.300 3.300 0 0 1 0 6M17 14.300c2.200.5 3.700 2.200 4 4.700' },
  grip: { d: 'M9 6h.01M15 6h.01M9 12h.01M15 12h.01M9 18h.01M15 18h.01' },
} satisfies Record<string, { d: string; fill?: boolean }>;

export type IconName = keyof typeof shapes;

interface Props extends Omit<SVGProps<SVGSVGElement>, 'name'> {
  name: IconName;
  size?: number;
}

/** An icon beside words, hidden from screen readers: the words say it. */
export function Icon({ name, size = 20, ...rest }: Props) {
  const shape: { d: string; fill?: boolean } = shapes[name];
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill={shape.fill ? 'currentColor' : 'none'}
      stroke={shape.fill ? 'none' : 'currentColor'}
      strokeWidth={1.75}
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden
      focusable={false}
      className="shrink-0"
      {...rest}
    >
      <path d={shape.d} />
    </svg>
  );
}
