import { Trans, useLingui } from '@lingui/react/macro';
import { Link, useNavigate } from '@tanstack/react-router';
import { useEffect, useRef, useState, type FormEvent } from 'react';
import { toFault, useFaultText } from '~/lib/faults';
import { usePageTitle } from '~/lib/page';
import { hasAutofill, passkeyPlace, type PasskeyPlace } from '~/lib/passkeys';
import { samePath } from '~/lib/paths';
import { sessionStore } from '~/lib/session';
import { signIn, signInWithPasskey, type SecondStep } from '~/lib/sign-in';
import { Button } from '~/ui/button';
import { Field, Input } from '~/ui/field';
import { AuthFrame } from './auth-frame';
import { useFactorWords } from './factor-words';
import { finishWith, hasReturn, takeReturn } from './provider-api';
import { ProviderButtons } from './providers';
import { FirstFactor } from './first-factor';
import { PasswordInput } from './password-input';
import { SecondStepForm } from './second-step';

/** A challenge lives five minutes: one that waits in the form is asked anew before. */
const renewMs = 4 * 60_000;

export function SignIn({ next }: { next?: string }) {
  const { t } = useLingui();
  const navigate = useNavigate();
  const [step, setStep] = useState<SecondStep>();
  const [why, setWhy] = useState<string>();
  const [wanted, setWanted] = useState(next);
  const [returning, setReturning] = useState(hasReturn);
  const words = useFactorWords();
  const title = returning ? t`Signing in…` : step?.setUp ? t`Set up a second factor` : step ? t`One more step` : t`Sign in`;
  usePageTitle(title);
  const onDone = (to = wanted) => {
    const now = sessionStore.get();
    // Who is watching is asked where there is a choice.
    if (now.status === 'in' && now.user.profiles.length > 1) void navigate({ to: '/profiles', search: { next: to }, replace: true });
    else void navigate({ href: samePath(to), replace: true });
  };
  const onBack = (reason?: string) => {
    setWhy(reason);
    setStep(undefined);
  };

  // Back from a provider: its answer is good once, and is taken once.
  const finish = useRef(async () => {
    const back = takeReturn();
    if (!back) return;
    try {
      const { to, step: due } = await finishWith(back);
      setWanted(to);
      if (due) setStep(due);
      else onDone(to);
    } catch (caught) {
      setWhy(words(caught));
    }
    setReturning(false);
  });
  useEffect(() => void finish.current(), []);

  return (
    <AuthFrame
      title={title}
      footer={
        step || returning ? null : (
          <Trans>
            New here?{' '}
            <Link to="/signup" search={{ next }} className="font-medium text-accent-text underline-offset-4 hover:underline">
              Make an account
            </Link>
          </Trans>
        )
      }
    >
      {returning ? (
        <p role="status" className="text-sm text-text-2">
          <Trans>One moment: the answer is being checked.</Trans>
        </p>
      ) : step?.setUp ? (
        <FirstFactor ticket={step.ticket} onDone={() => onDone()} onBack={onBack} />
      ) : step ? (
        <SecondStepForm step={step} onDone={() => onDone()} onBack={onBack} />
      ) : (
        <FirstStep why={why} to={wanted} onStep={setStep} onDone={() => onDone()} />
      )}
    </AuthFrame>
  );
}

function FirstStep({ why, to, onStep, onDone }: { why?: string; to?: string; onStep: (step: SecondStep) => void; onDone: () => void }) {
  const { t } = useLingui();
  const words = useFaultText();
  const form = useRef<HTMLFormElement>(null);
  const [busy, setBusy] = useState(false);
  const [errors, setErrors] = useState<{ login?: string; password?: string; all?: string }>({ all: why });
  const passkey = usePasskey(onDone, (all) => setErrors({ all }));

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
      const step = await signIn(login, password);
      if (step) onStep(step);
      else onDone();
    } catch (error) {
      const fault = toFault(error);
      setErrors({ all: fault.code === 'UNAUTHENTICATED' ? t`The login or the password is wrong.` : words(fault) });
      form.current?.querySelector<HTMLElement>('[name=password]')?.focus();
    } finally {
      setBusy(false);
    }
  };

  return (
    <>
      <form ref={form} noValidate onSubmit={(event) => void submit(event)} className="flex flex-col gap-5">
        <Field label={t`Login or e-mail`} error={errors.login}>
          {(control) => <Input {...control} name="login" autoComplete="username webauthn" autoCapitalize="none" spellCheck={false} autoFocus />}
        </Field>
        <Field label={t`Password`} error={errors.password}>
          {(control) => <PasswordInput {...control} name="password" autoComplete="current-password webauthn" />}
        </Field>
        <Link
          to="/$way"
          params={{ way: 'forgot' }}
          className="-my-2 inline-flex min-h-11 items-center self-start text-sm text-accent-text underline-offset-4 hover:underline"
        >
          <Trans>Forgot the password?</Trans>
        </Link>
        <div role="alert" className="text-sm text-danger empty:hidden">
          {errors.all}
        </div>
        <Button type="submit" variant="primary" size="lg" busy={busy}>
          {busy ? <Trans>Signing in…</Trans> : <Trans>Sign in</Trans>}
        </Button>
      </form>
      {passkey.place?.at === 'here' && (
        <Button className="mt-3 w-full" size="lg" busy={passkey.busy} onClick={() => void passkey.use()}>
          <Trans>Sign in with a passkey</Trans>
        </Button>
      )}
      <ProviderButtons to={to} />
      <PasskeyNote place={passkey.place} />
    </>
  );
}

/** Says why there are no passkeys at this address, and where there are. */
export function PasskeyNote({ place }: { place?: PasskeyPlace }) {
  if (place?.at === 'nowhere') {
    return (
      <p className="mt-4 text-sm text-text-3">
        <Trans>No passkeys at this address: they need https and a name.</Trans>
      </p>
    );
  }
  if (place?.at === 'elsewhere') {
    return (
      <p className="mt-4 text-sm text-text-3">
        <Trans>
          Passkeys work at{' '}
          <a href={place.address} className="text-accent-text underline-offset-4 hover:underline">
            {place.address}
          </a>{' '}
          only.
        </Trans>
      </p>
    );
  }
  return null;
}

/** Offers passkeys: among the logins that the browser fills in, and by a button. */
function usePasskey(onDone: () => void, onError: (words: string) => void) {
  const words = useFactorWords();
  const [place, setPlace] = useState<PasskeyPlace>();
  const [busy, setBusy] = useState(false);
  // What is heard last: the effect below runs once and outlives a language's change.
  const told = useRef({ onDone, onError, words });
  useEffect(() => {
    told.current = { onDone, onError, words };
  });
  const waiting = useRef<AbortController>(undefined);

  const offer = useRef(async () => {
    const stop = new AbortController();
    waiting.current = stop;
    const timer = setTimeout(() => {
      stop.abort();
      void offer.current();
    }, renewMs);
    try {
      await signInWithPasskey(stop.signal, true);
      told.current.onDone();
    } catch (error) {
      // Stopped, or put away by the person: then the form is still there.
      if (!stop.signal.aborted && !(error instanceof DOMException)) told.current.onError(told.current.words(error));
    } finally {
      clearTimeout(timer);
    }
  });
  useEffect(() => {
    let gone = false;
    const begin = async () => {
      const found = await passkeyPlace();
      if (gone) return;
      setPlace(found);
      if (found.at === 'here' && (await hasAutofill()) && !gone) void offer.current();
    };
    // Without an answer the password is still there to be used.
    begin().catch(() => undefined);
    return () => {
      gone = true;
      waiting.current?.abort();
    };
  }, []);

  const use = async () => {
    waiting.current?.abort();
    setBusy(true);
    try {
      await signInWithPasskey(new AbortController().signal);
      told.current.onDone();
    } catch (error) {
      told.current.onError(words(error));
      setBusy(false);
    }
  };
  return { place, busy, use };
}
