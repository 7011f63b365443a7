import type { SVGProps } from 'react';

/** Drawn for this program on a 24 grid with a 1.75 stroke; `fill` marks the solid ones. */
export interface Shape {
  d: string;
  fill?: boolean;
}

/** What the home page and the smallest parts show; the others are in more-icons.ts, which it does not load. */
const shapes = {
  play: { d: 'M7 4.8v14.4a.6.6 0 0 0 .92.5l11-7.2a.6.6 0 0 0 0-1l-11-7.2A.6.6 0 0 0 7 4.8z', fill: true },
  plus: { d: 'M12 5v14M5 12h14' },
  check: { d: 'M5 12.5l4.5 4.5L19 7.5' },
  close: { d: 'M6 6l12 12M18 6L6 18' },
  search: { d: 'M11 4.5a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13zM16 16l4 4' },
  left: { d: 'M14.5 5.5L8 12l6.5 6.5' },
  right: { d: 'M9.5 5.5L16 12l-6.5 6.5' },
  down: { d: 'M5.5 9.5L12 16l6.5-6.5' },
  more: { d: 'M5.5 10.6a1.4 1.4 0 1 1 0 2.8 1.4 1.4 0 0 1 0-2.8zM12 10.6a1.4 1.4 0 1 1 0 2.8 1.4 1.4 0 0 1 0-2.8zM18.5 10.6a1.4 1.4 0 1 1 0 2.8 1.4 1.4 0 0 1 0-2.8z', fill: true },
  people: { d: 'M9 5a3.3 3.3 0 1 1 0 6.6A3.3 3.3 0 0 1 9 5zM3 19c.4-3.2 2.8-5 6-5s5.6 1.8 6 5M15.5 5.3a3.3 3.3 0 0 1 0 6M17 14.3c2.2.5 3.7 2.2 4 4.7' },
  user: { d: 'M12 4a4 4 0 1 1 0 8 4 4 0 0 1 0-8zM4.5 20c.6-3.8 3.7-6 7.5-6s6.9 2.2 7.5 6' },
  offline: { d: 'M4 4l16 16M8.5 14.5a5 5 0 0 1 5.6-1M5.5 11.3a9 9 0 0 1 4-2.3M13 8.7a9 9 0 0 1 5.5 2.6M12 18h.01' },
  info: { d: 'M12 3.5a8.5 8.5 0 1 1 0 17 8.5 8.5 0 0 1 0-17zM12 11v5M12 8h.01' },
  alert: { d: 'M12 4l9 15.5H3zM12 10v4.5M12 17h.01' },
  out: { d: 'M10 4.5H5v15h5M14.5 8l4 4-4 4M18.5 12H9.5' },
  film: { d: 'M4 5h16v14H4zM8 5v14M16 5v14M4 9.5h4M4 14.5h4M16 9.5h4M16 14.5h4' },
} satisfies Record<string, Shape>;

export type IconName = keyof typeof shapes | Shape;

interface Props extends Omit<SVGProps<SVGSVGElement>, 'name'> {
  name: IconName;
  size?: number;
}

/** An icon beside words, hidden from screen readers: the words say it. */
export function Icon({ name, size = 20, ...rest }: Props) {
  const shape: Shape = typeof name === 'string' ? shapes[name] : name;
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
