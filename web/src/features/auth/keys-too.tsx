import { Plural } from '@lingui/react/macro';
import { useId, type ReactNode } from 'react';
import { Checkbox } from '~/ui/field';

interface Props {
  /** How many the account has; without any there is nothing to choose. */
  keys: number;
  checked?: boolean;
  /** What comes of it. */
  children: ReactNode;
}

/** The choice, with a new password, to end the account’s API keys: the field `keys` of the form. */
export function KeysToo({ keys, checked, children }: Props) {
  const hint = useId();
  if (keys === 0) return null;
  return (
    <div>
      <Checkbox
        name="keys"
        defaultChecked={checked}
        aria-describedby={hint}
        label={<Plural value={keys} one="Revoke the account’s API key too" other="Revoke the account’s # API keys too" />}
      />
      <p id={hint} className="mt-1 pl-8 text-sm text-text-3">
        {children}
      </p>
    </div>
  );
}
