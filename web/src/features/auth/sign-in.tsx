import { Trans, useLingui } from '@lingui/react/macro';
import { Link, useNavigate } from '@tanstack/react-router';
import { useRef, useState, type FormEvent } from 'react';
import { toFault, useFaultText } from '~/lib/faults';
import { usePageTitle } from '~/lib/page';
import { samePath } from '~/lib/paths';
import { sessionStore, signIn } from '~/lib/session';
import { Button } from '~/ui/button';
import { Field, Input } from '~/ui/field';
import { AuthFrame } from './auth-frame';
import { PasswordInput } from './password-input';

export function SignIn({ next }: { next?: string }) {
  const { t } = useLingui();
  const words = useFaultText();
  const navigate = useNavigate();
  const form = useRef<HTMLFormElement>(null);
  const [busy, setBusy] = useState(false);
  const [errors, setErrors] = useState<{ login?: string; password?: string; all?: string }>({});
  usePageTitle(t`Sign in`);

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    const login = String(data.get('login')).trim();
    const password = String(data.get('password'));
    const missing = { login: login ? undefined : t`Enter your login.`, password: password ? undefined : t`Enter your password.` };
    setErrors(missing);
    if (missing.login || missing.password) {
      form.current?.querySelector<HTMLElement>(missing.login ? '[name=login]' : '[name=password]')?.focus();
      return;
    }
    setBusy(true);
    try {
      await signIn(login, password);
      const now = sessionStore.get();
      if (now.status === 'in' && now.user.profiles.length > 1) {
        await navigate({ to: '/profiles', search: { next }, replace: true });
      } else await navigate({ href: samePath(next), replace: true });
    } catch (error) {
      const fault = toFault(error);
      setErrors({ all: fault.code === 'UNAUTHENTICATED' ? t`The login or the password is wrong.` : words(fault) });
      form.current?.querySelector<HTMLElement>('[name=password]')?.focus();
    } finally {
      setBusy(false);
    }
  };

  return (
    <AuthFrame
      title={<Trans>Sign in</Trans>}
      footer={
        <Trans>
          New here?{' '}
          <Link to="/signup" search={{ next }} className="font-medium text-accent-text underline-offset-4 hover:underline">
            Make an account
          </Link>
        </Trans>
      }
    >
      <form ref={form} noValidate onSubmit={(event) => void submit(event)} className="flex flex-col gap-5">
        <Field label={t`Login or e-mail`} error={errors.login}>
          {(control) => <Input {...control} name="login" autoComplete="username" autoCapitalize="none" spellCheck={false} autoFocus />}
        </Field>
        <Field label={t`Password`} error={errors.password}>
          {(control) => <PasswordInput {...control} name="password" autoComplete="current-password" />}
        </Field>
        <div role="alert" className="text-sm text-danger empty:hidden">
          {errors.all}
        </div>
        <Button type="submit" variant="primary" size="lg" busy={busy}>
          {busy ? <Trans>Signing in…</Trans> : <Trans>Sign in</Trans>}
        </Button>
      </form>
    </AuthFrame>
  );
}
