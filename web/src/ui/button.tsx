import { createLink } from '@tanstack/react-router';
import type { AnchorHTMLAttributes, ButtonHTMLAttributes, Ref } from 'react';
import { cx } from './cx';
import { Icon, type IconName } from './icon';

export type ButtonVariant = 'primary' | 'secondary' | 'ghost' | 'danger';
export type ButtonSize = 'sm' | 'md' | 'lg';

interface Look {
  variant?: ButtonVariant;
  size?: ButtonSize;
  icon?: IconName;
}

export function buttonClass({ variant = 'secondary', size = 'md' }: Look, iconOnly = false): string {
  return cx(
    'inline-flex select-none items-center justify-center gap-2 whitespace-nowrap rounded-md font-medium transition-colors',
    'disabled:cursor-not-allowed disabled:opacity-50 aria-disabled:cursor-not-allowed aria-disabled:opacity-50',
    // 44 px for thumbs; dense sizes only where a mouse is the pointer.
    size === 'sm' && 'h-11 text-sm pointer-fine:h-8',
    size === 'md' && 'h-11 text-sm pointer-fine:h-10',
    size === 'lg' && 'h-12 text-base',
    iconOnly ? 'aspect-square' : size === 'sm' ? 'px-3' : size === 'md' ? 'px-4' : 'px-6',
    variant === 'primary' && 'bg-accent text-accent-ink enabled:hover:bg-accent-hover [a&]:hover:bg-accent-hover',
    variant === 'secondary' && 'bg-surface-2 text-text-1 enabled:hover:bg-surface-3 [a&]:hover:bg-surface-3',
    variant === 'ghost' && 'text-text-2 enabled:hover:bg-surface-2 enabled:hover:text-text-1 [a&]:hover:bg-surface-2 [a&]:hover:text-text-1',
    variant === 'danger' && 'bg-danger-fill text-white enabled:hover:brightness-110',
  );
}

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement>, Look {
  ref?: Ref<HTMLButtonElement>;
  /** Work is going on: the button keeps its width and takes no press. */
  busy?: boolean;
}

export function Button({ variant, size, icon, busy, className, children, onClick, type = 'button', ...rest }: ButtonProps) {
  return (
    <button
      type={type}
      className={cx(buttonClass({ variant, size }), className)}
      aria-disabled={busy || undefined}
      aria-busy={busy || undefined}
      onClick={busy ? (event) => event.preventDefault() : onClick}
      {...rest}
    >
      {icon && <Icon name={icon} size={size === 'lg' ? 22 : 18} />}
      {children}
    </button>
  );
}

interface IconButtonProps extends Omit<ButtonProps, 'children' | 'icon'> {
  icon: IconName;
  /** What it does; shown on hover and read aloud. */
  label: string;
}

export function IconButton({ icon, label, variant = 'ghost', size = 'md', className, ...rest }: IconButtonProps) {
  return (
    <button type="button" aria-label={label} title={label} className={cx(buttonClass({ variant, size }, true), className)} {...rest}>
      <Icon name={icon} />
    </button>
  );
}

interface AnchorProps extends AnchorHTMLAttributes<HTMLAnchorElement>, Look {
  ref?: Ref<HTMLAnchorElement>;
}

function Anchor({ variant, size, icon, className, children, ...rest }: AnchorProps) {
  return (
    <a className={cx(buttonClass({ variant, size }), className)} {...rest}>
      {icon && <Icon name={icon} size={size === 'lg' ? 22 : 18} />}
      {children}
    </a>
  );
}

/** A link that looks like a button; takes the router's `to`, `params` and `search`. */
export const ButtonLink = createLink(Anchor);
