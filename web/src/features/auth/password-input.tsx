import { useLingui } from '@lingui/react/macro';
import { useState, type InputHTMLAttributes } from 'react';
import { Input } from '~/ui/field';

/** A password that can be looked at while it is typed. */
export function PasswordInput(props: InputHTMLAttributes<HTMLInputElement>) {
  const { t } = useLingui();
  const [shown, setShown] = useState(false);
  return (
    <span className="relative block">
      <Input {...props} type={shown ? 'text' : 'password'} className="pr-20" autoCapitalize="none" spellCheck={false} />
      <button
        type="button"
        aria-pressed={shown}
        onClick={() => setShown(!shown)}
        className="absolute inset-y-0 right-0 rounded-md px-3 text-sm text-text-2 hover:text-text-1"
      >
        {shown ? t`Hide` : t`Show`}
      </button>
    </span>
  );
}
