import { Trans, useLingui } from '@lingui/react/macro';
import { Link, useNavigate } from '@tanstack/react-router';
import { useEffect, useRef, useState, type FormEvent } from 'react';
import type { SignUpMode } from '~/gql/graphql';
import { toFault } from '~/lib/faults';
import { localeStore } from '~/lib/i18n';
import { usePageTitle } from '~/lib/page';
import { samePath } from '~/lib/paths';
import { signUp } from '~/lib/sign-in';
import { Button } from '~/ui/button';
import { Field, Input } from '~/ui/field';
import { AuthFrame } from './auth-frame';
import { waysIn } from './link-api';
import { useLinkWords } from './link-words';
import { PasswordInput } from './password-input';
import { ProviderButtons } from './providers';

type Errors = Partial<Record<'name' | 'login' | 'password' | 'all', string>>;

export function SignUp({ next }: { next?: string }) {
  const { t } = useLingui();
  const words = useLinkWords();
  const navigate = useNavigate();
  const form = useRef<HTMLFormElement>(null);
  const [busy, setBusy] = useState(false);
  const [errors, setErrors] = useState<Errors>({});
  // Who may make an account; the form while it is not known, which says it too when it is sent.
  const [mode, setMode] = useState<SignUpMode>();
  usePageTitle(t`Make an account`);
  useEffect(() => {
    waysIn().then(
      (ways) => setMode(ways.signUp),
      () => undefined,
    );
  }, []);

  const refuse = (found: Errors) => {
    setErrors(found);
    const first = (['name', 'login', 'password'] as const).find((field) => found[field]);
    if (first) form.current?.querySelector<HTMLElement>(`[name=${first}]`)?.focus();
  };

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    const name = String(data.get('name')).trim();
    const login = String(data.get('login')).trim();
    const password = String(data.get('password'));
    const found: Errors = {};
    if (login.length < 3) found.login = t`Enter a login of at least 3 characters, or an e-mail address.`;
    if (password.length < 8) found.password = t`Enter at least 8 characters.`;
    if (Object.keys(found).length) return refuse(found);
    setErrors({});
    setBusy(true);
    try {
      await signUp({ login, password, name: name || null, locale: localeStore.get() });
      await navigate({ href: samePath(next), replace: true });
    } catch (error) {
      const fault = toFault(error);
      const field = fault.field?.split('.').pop();
      if (field === 'login' || field === 'password' || field === 'name') refuse({ [field]: words(fault) });
      else if (fault.reason === 'LOGIN_TAKEN') refuse({ login: words(fault) });
      else refuse({ all: words(fault) });
    } finally {
      setBusy(false);
    }
  };

  return (
    <AuthFrame
      title={<Trans>Make an account</Trans>}
      footer={
        <Trans>
          Already have one?{' '}
          <Link to="/signin" search={{ next }} className="font-medium text-accent-text underline-offset-4 hover:underline">
            Sign in
          </Link>
        </Trans>
      }
    >
      {mode === 'INVITATION' || mode === 'CLOSED' ? (
        <p role="status" className="text-text-2">
          {mode === 'CLOSED' ? (
            <Trans>This cinema takes no new accounts.</Trans>
          ) : (
            <Trans>New accounts are by invitation here. Ask an administrator for one; its link leads to the form.</Trans>
          )}
        </p>
      ) : (
      <form ref={form} noValidate onSubmit={(event) => void submit(event)} className="flex flex-col gap-5">
        <Field label={t`Your name`} hint={t`Shown on your profile. You can leave it empty.`} error={errors.name}>
          {(control) => <Input {...control} name="name" autoComplete="name" maxLength={40} autoFocus />}
        </Field>
        <Field label={t`Login or e-mail`} error={errors.login}>
          {(control) => <Input {...control} name="login" autoComplete="username" autoCapitalize="none" spellCheck={false} maxLength={254} />}
        </Field>
        <Field label={t`Password`} hint={t`8 characters or more.`} error={errors.password}>
          {(control) => <PasswordInput {...control} name="password" autoComplete="new-password" />}
        </Field>
        <div role="alert" className="text-sm text-danger empty:hidden">
          {errors.all}
        </div>
        <Button type="submit" variant="primary" size="lg" busy={busy}>
          {busy ? <Trans>Making the account…</Trans> : <Trans>Make an account</Trans>}
        </Button>
      </form>
      )}
      {mode !== 'INVITATION' && mode !== 'CLOSED' && <ProviderButtons to={next} />}
    </AuthFrame>
  );
}
