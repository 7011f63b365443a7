import { DropdownMenu } from 'radix-ui';
import type { ReactNode } from 'react';
import { cx } from './cx';
import { Icon, type IconName } from './icon';
import { menuItemClass } from './menu-class';

interface MenuProps {
  /** The button that opens it; must take a ref and props. */
  trigger: ReactNode;
  children: ReactNode;
  align?: 'start' | 'center' | 'end';
  side?: 'top' | 'bottom';
  defaultOpen?: boolean;
}

export function Menu({ trigger, children, align = 'end', side = 'bottom', defaultOpen }: MenuProps) {
  return (
    <DropdownMenu.Root modal={false} defaultOpen={defaultOpen}>
      <DropdownMenu.Trigger asChild>{trigger}</DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content
          align={align}
          side={side}
          sideOffset={8}
          collisionPadding={8}
          className="z-50 max-h-(--radix-dropdown-menu-content-available-height) min-w-52 animate-[pop-in_150ms_ease-out] overflow-y-auto rounded-md border border-line bg-surface-1 p-1 shadow-pop"
        >
          {children}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}


interface ItemProps {
  icon?: IconName;
  children: ReactNode;
  onSelect?: (event: Event) => void;
  disabled?: boolean;
  danger?: boolean;
  /** With asChild the child (a link) becomes the item. */
  asChild?: boolean;
}

export function MenuItem({ icon, children, danger, asChild, ...rest }: ItemProps) {
  return (
    <DropdownMenu.Item asChild={asChild} className={cx(menuItemClass, danger && 'text-danger')} {...rest}>
      {asChild ? (
        children
      ) : (
        <>
          {icon && <Icon name={icon} size={18} className="text-text-3" />}
          {children}
        </>
      )}
    </DropdownMenu.Item>
  );
}

export const MenuSeparator = () => <DropdownMenu.Separator className="my-1 h-px bg-line" />;

export const MenuLabel = ({ children }: { children: ReactNode }) => (
  <DropdownMenu.Label className="px-3 pt-2 pb-1 text-xs text-text-3">{children}</DropdownMenu.Label>
);

interface ChoiceProps {
  value: string;
  onChange: (value: string) => void;
  options: readonly { value: string; label: ReactNode }[];
}

/** One of several; the chosen one carries a check mark. */
export function MenuChoice({ value, onChange, options }: ChoiceProps) {
  return (
    <DropdownMenu.RadioGroup value={value} onValueChange={onChange}>
      {options.map((option) => (
        <DropdownMenu.RadioItem key={option.value} value={option.value} className={menuItemClass}>
          <span className="grid size-4 place-items-center text-accent-text">
            <DropdownMenu.ItemIndicator>
              <Icon name="check" size={16} />
            </DropdownMenu.ItemIndicator>
          </span>
          {option.label}
        </DropdownMenu.RadioItem>
      ))}
    </DropdownMenu.RadioGroup>
  );
}
