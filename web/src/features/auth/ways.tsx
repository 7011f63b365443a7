import { Trans, useLingui } from '@lingui/react/macro';
import { Link, useNavigate } from '@tanstack/react-router';
import { Fragment, useEffect, useRef, useState, type FormEvent, type ReactNode } from 'react';
import { toFault } from '~/lib/faults';
import { usePageTitle } from '~/lib/page';
import { Button } from '~/ui/button';
import { Field, Input } from '~/ui/field';
import { Skeleton } from '~/ui/skeleton';
import { AuthFrame } from './auth-frame';
import {
  acceptInvitation, checkInvitation, checkPasswordLink, confirmEmail, dropSecret, requestPasswordReset, resetPassword, takeSecret, undoEmail, waysIn,
} from './link-api';
import { KeysToo } from './keys-too';
import { useLinkWords } from './link-words';
import { PasswordInput } from './password-input';

const linkClass = 'font-medium text-accent-text underline-offset-4 hover:underline';

const ToSignIn = () => (
  <Link to="/signin" search={{}} className={linkClass}>
    <Trans>Sign in</Trans>
  </Link>
);

const Alert = ({ children }: { children?: ReactNode }) => (
  <div role="alert" className="text-sm text-danger empty:hidden">
    {children}
  </div>
);

/** The pages by their addresses, which the server's letters hold too (subgraphs/auth/links.go). */
export function Way({ name, otherwise }: { name: string; otherwise: ReactNode }) {
  // Another link opened in the same tab changes the fragment alone: the page begins anew with it.
  const [link, setLink] = useState(0);
  useEffect(() => {
    const followed = () => location.hash.length > 1 && setLink((n) => n + 1);
    window.addEventListener('hashchange', followed);
    return () => window.removeEventListener('hashchange', followed);
  }, []);
  return <Fragment key={link}>{page(name, otherwise)}</Fragment>;
}

function page(name: string, otherwise: ReactNode) {
  switch (name) {
    case 'forgot':
      return <Forgot />;
    case 'reset':
      return <Reset />;
    case 'confirm-email':
      return <ConfirmAddress />;
    case 'undo-email':
      return <UndoAddress />;
    case 'invitation':
      return <Invitation />;
    default:
      return otherwise;
  }
}

/** What has happened, announced. */
const Done = ({ children }: { children: ReactNode }) => (
  <div role="status" className="flex flex-col gap-3 text-text-2">
    {children}
  </div>
);

/** Waits for what a link is; a link that is none any more says so and leads on. */
function Checked<T>({ check, gone, children }: { check: (secret: string) => Promise<T>; gone: ReactNode; children: (found: T, secret: string) => ReactNode }) {
  const words = useLinkWords();
  const [secret] = useState(takeSecret);
  const [found, setFound] = useState<{ value: T } | { error: unknown }>();
  const first = useRef(check);
  useEffect(() => {
    let left = false;
    first.current(secret).then(
      (value) => !left && setFound({ value }),
      (error: unknown) => !left && setFound({ error }),
    );
    return () => {
      left = true;
    };
  }, [secret]);
  if (!found) return <Skeleton className="h-40 w-full" />;
  if ('value' in found) return children(found.value, secret);
  return (
    <>
      <p role="alert" className="text-text-2">
        {secret ? words(found.error) : <Trans>Open the link from the letter once more: it is not kept by the browser.</Trans>}
      </p>
      <p className="mt-4 text-sm text-text-2">{gone}</p>
    </>
  );
}

/** “Forgot the password?” */
function Forgot() {
  const { t } = useLingui();
  const words = useLinkWords();
  const [mail, setMail] = useState<boolean>();
  const [busy, setBusy] = useState(false);
  const [asked, setAsked] = useState(false);
  const [error, setError] = useState<string>();
  const input = useRef<HTMLFormElement>(null);
  usePageTitle(t`Forgot the password?`);
  useEffect(() => {
    waysIn().then(
      (ways) => setMail(ways.mail),
      () => setMail(true),
    );
  }, []);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const login = String(new FormData(event.currentTarget).get('login')).trim();
    setBusy(true);
    setError(undefined);
    try {
      await requestPasswordReset(login);
      setAsked(true);
    } catch (caught) {
      setError(words(caught));
      input.current?.querySelector('input')?.focus();
    } finally {
      setBusy(false);
    }
  };
  return (
    <AuthFrame title={<Trans>Forgot the password?</Trans>} footer={<ToSignIn />}>
      {asked ? (
        <Done>
          <p>
            <Trans>If there is such an account and it has an e-mail address, a letter with a link is on its way. The link is good for 30 minutes.</Trans>
          </p>
          <p className="text-sm">
            <Trans>No letter? Look among the unwanted ones, or ask an administrator for a link.</Trans>
          </p>
        </Done>
      ) : mail === false ? (
        <p className="text-text-2">
          <Trans>This cinema sends no e-mail. Ask an administrator: they can make you a link for a new password.</Trans>
        </p>
      ) : (
        <form ref={input} noValidate onSubmit={(event) => void submit(event)} className="flex flex-col gap-5">
          <Field label={t`Login or e-mail`} error={error}>
            {(control) => <Input {...control} name="login" autoComplete="username" autoCapitalize="none" spellCheck={false} maxLength={254} autoFocus />}
          </Field>
          <Button type="submit" variant="primary" size="lg" busy={busy}>
            <Trans>Send a link</Trans>
          </Button>
        </form>
      )}
    </AuthFrame>
  );
}

/** A new password by a link. */
function Reset() {
  const { t } = useLingui();
  usePageTitle(t`A new password`);
  return (
    <AuthFrame title={<Trans>A new password</Trans>} footer={<ToSignIn />}>
      <Checked
        check={checkPasswordLink}
        gone={
          <Link to="/$way" params={{ way: 'forgot' }} className={linkClass}>
            <Trans>Ask for another link</Trans>
          </Link>
        }
      >
        {({ login, apiKeys }, secret) => <NewPassword login={login} keys={apiKeys} secret={secret} />}
      </Checked>
    </AuthFrame>
  );
}

function NewPassword({ login, keys, secret }: { login: string; keys: number; secret: string }) {
  const { t } = useLingui();
  const words = useLinkWords();
  const form = useRef<HTMLFormElement>(null);
  const [busy, setBusy] = useState(false);
  const [done, setDone] = useState(false);
  const [errors, setErrors] = useState<{ password?: string; all?: string }>({});
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    setBusy(true);
    setErrors({});
    try {
      // Without a choice all end: one may have been made since it was asked how many there are.
      await resetPassword(secret, String(data.get('password')), keys === 0 || data.has('keys'));
      dropSecret();
      setDone(true);
    } catch (caught) {
      setErrors(toFault(caught).field === 'input.password' ? { password: words(caught) } : { all: words(caught) });
      form.current?.querySelector<HTMLElement>('[name=password]')?.focus();
    } finally {
      setBusy(false);
    }
  };
  if (done) {
    return (
      <Done>
        <p>
          <Trans>The password is changed, and all devices are signed out. Sign in with it; a second factor is asked for as before.</Trans>
        </p>
      </Done>
    );
  }
  return (
    <form ref={form} noValidate onSubmit={(event) => void submit(event)} className="flex flex-col gap-5">
      <Field label={t`Login`}>{(control) => <Input {...control} name="username" autoComplete="username" value={login} readOnly />}</Field>
      <Field label={t`New password`} hint={t`8 characters or more.`} error={errors.password}>
        {(control) => <PasswordInput {...control} name="password" autoComplete="new-password" autoFocus />}
      </Field>
      <KeysToo keys={keys} checked>
        <Trans>Programs that use them stop. Leave it ticked where somebody else may have been in your account.</Trans>
      </KeysToo>
      <Alert>{errors.all}</Alert>
      <Button type="submit" variant="primary" size="lg" busy={busy}>
        <Trans>Change the password</Trans>
      </Button>
    </form>
  );
}

/** Confirms a new address: by a press, since programs that look at mail follow links too. */
function ConfirmAddress() {
  const { t } = useLingui();
  usePageTitle(t`Confirm the e-mail address`);
  const [email, setEmail] = useState<string>();
  return (
    <AuthFrame title={<Trans>Confirm the e-mail address</Trans>} footer={<ToSignIn />}>
      {email ? (
        <Done>
          <p>
            <Trans>{email} is the address of your account from now on.</Trans>
          </p>
        </Done>
      ) : (
        <Press
          work={async (secret) => setEmail(await confirmEmail(secret))}
          words={<Trans>Press to confirm that this address is yours.</Trans>}
          button={<Trans>Confirm the address</Trans>}
        />
      )}
    </AuthFrame>
  );
}

/** Takes an address back, and goes on to a new password. */
function UndoAddress() {
  const { t } = useLingui();
  usePageTitle(t`Take the address back`);
  const [done, setDone] = useState<{ email: string; resetToken: string; apiKeys: number }>();
  return (
    <AuthFrame title={<Trans>Take the address back</Trans>} footer={<ToSignIn />}>
      {done ? (
        <div className="flex flex-col gap-6">
          <Done>
            <p>
              <Trans>{done.email} is the address again, and all devices are signed out. Whoever changed it may know the password: choose another one.</Trans>
            </p>
          </Done>
          <NewPassword login={done.email} keys={done.apiKeys} secret={done.resetToken} />
        </div>
      ) : (
        <Press
          work={async (secret) => setDone(await undoEmail(secret))}
          words={<Trans>The address of your account was changed. If it was not you, take it back: all devices are signed out, and you choose a new password.</Trans>}
          button={<Trans>It was not me</Trans>}
        />
      )}
    </AuthFrame>
  );
}

function Press({ work, words, button }: { work: (secret: string) => Promise<void>; words: ReactNode; button: ReactNode }) {
  const say = useLinkWords();
  const [secret] = useState(takeSecret);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string>();
  const press = async () => {
    setBusy(true);
    setError(undefined);
    try {
      await work(secret);
      dropSecret();
    } catch (caught) {
      setError(say(caught));
      setBusy(false);
    }
  };
  if (!secret) {
    return (
      <p role="alert" className="text-text-2">
        <Trans>Open the link from the letter once more: it is not kept by the browser.</Trans>
      </p>
    );
  }
  return (
    <div className="flex flex-col gap-5">
      <p className="text-text-2">{words}</p>
      <Alert>{error}</Alert>
      <Button variant="primary" size="lg" busy={busy} onClick={() => void press()}>
        {button}
      </Button>
    </div>
  );
}

/** An account by an invitation. */
function Invitation() {
  const { t } = useLingui();
  usePageTitle(t`You are invited`);
  return (
    <AuthFrame
      title={<Trans>You are invited</Trans>}
      footer={
        <Trans>
          Already have an account? <ToSignIn />
        </Trans>
      }
    >
      <Checked check={checkInvitation} gone={<Trans>Ask whoever invited you for another one.</Trans>}>
        {({ email }, secret) => <Accept email={email ?? undefined} secret={secret} />}
      </Checked>
    </AuthFrame>
  );
}

type AcceptErrors = Partial<Record<'name' | 'login' | 'password' | 'all', string>>;

function Accept({ email, secret }: { email?: string; secret: string }) {
  const { t } = useLingui();
  const words = useLinkWords();
  const navigate = useNavigate();
  const form = useRef<HTMLFormElement>(null);
  const [busy, setBusy] = useState(false);
  const [errors, setErrors] = useState<AcceptErrors>({});
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    const text = (name: string) => String(data.get(name) ?? '').trim();
    setBusy(true);
    setErrors({});
    try {
      await acceptInvitation({ token: secret, login: email ? null : text('login'), password: String(data.get('password')), name: text('name') || null });
      dropSecret();
      await navigate({ to: '/', replace: true });
    } catch (caught) {
      const fault = toFault(caught);
      const field = fault.reason === 'LOGIN_TAKEN' ? 'login' : (fault.field?.split('.').pop() ?? 'all');
      const at = field === 'name' || field === 'password' || (field === 'login' && !email) ? field : 'all';
      setErrors({ [at]: words(caught) });
      if (at !== 'all') form.current?.querySelector<HTMLElement>(`[name=${at}]`)?.focus();
    } finally {
      setBusy(false);
    }
  };
  return (
    <form ref={form} noValidate onSubmit={(event) => void submit(event)} className="flex flex-col gap-5">
      <Field label={t`Your name`} hint={t`Shown on your profile. You can leave it empty.`} error={errors.name}>
        {(control) => <Input {...control} name="name" autoComplete="name" maxLength={40} autoFocus />}
      </Field>
      {email ? (
        <Field label={t`E-mail`}>{(control) => <Input {...control} name="username" autoComplete="username" value={email} readOnly />}</Field>
      ) : (
        <Field label={t`Login or e-mail`} error={errors.login}>
          {(control) => <Input {...control} name="login" autoComplete="username" autoCapitalize="none" spellCheck={false} maxLength={254} />}
        </Field>
      )}
      <Field label={t`Password`} hint={t`8 characters or more.`} error={errors.password}>
        {(control) => <PasswordInput {...control} name="password" autoComplete="new-password" />}
      </Field>
      <Alert>{errors.all}</Alert>
      <Button type="submit" variant="primary" size="lg" busy={busy}>
        {busy ? <Trans>Making the account…</Trans> : <Trans>Make an account</Trans>}
      </Button>
    </form>
  );
}
