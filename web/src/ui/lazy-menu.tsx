import { useState, type ReactElement, type ReactNode } from 'react';
import type * as MenuModuleType from './menu';

type MenuModule = typeof MenuModuleType;

interface Props {
  label: string;
  className?: string;
  /** What the button shows. */
  face: ReactNode;
  align?: 'start' | 'center' | 'end';
  children: (menu: MenuModule) => ReactNode;
}

let loaded: MenuModule | undefined;
const load = async () => (loaded ??= await import('./menu'));
const preload = () => void load().catch(() => undefined); // Pressing the button tries again.

/** A menu whose code comes when someone reaches for it: pages full of menus load none. */
export function LazyMenu({ label, className, face, align, children }: Props): ReactElement {
  const [menu, setMenu] = useState<MenuModule>();
  const button = (
    <button
      type="button"
      aria-label={label}
      aria-haspopup="menu"
      className={className}
      {...(menu
        ? {}
        : {
            onPointerEnter: preload,
            onFocus: preload,
            onClick: () => void load().then(setMenu, () => undefined),
          })}
    >
      {face}
    </button>
  );
  if (!menu) return button;
  return (
    <menu.Menu defaultOpen trigger={button} align={align}>
      {children(menu)}
    </menu.Menu>
  );
}
