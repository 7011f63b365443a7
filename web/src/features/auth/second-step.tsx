import { Trans, useLingui } from '@lingui/react/macro';
import { useRef, useState, type FormEvent } from 'react';
import { toFault } from '~/lib/faults';
import { confirmByPasskey, confirmSecond, finishSignIn, finishWithPasskey, type SecondStep } from '~/lib/sign-in';
import { Button } from '~/ui/button';
import { Field, Input } from '~/ui/field';
import { icons } from '~/ui/more-icons';
import { useFactorWords } from './factor-words';

type Way = 'code' | 'passkey' | 'recovery';

interface Props {
  step: SecondStep;
  /** Whether who is signed in shows it again, instead of signing in. */
  again?: boolean;
  onDone: () => void;
  /** The first step has to be done again; `why` is said there. */
  onBack: (why?: string) => void;
}

/** What is asked after a right password: a code, a passkey or a recovery code. */
export function SecondStepForm({ step, again = false, onDone, onBack }: Props) {
  const { t } = useLingui();
  const words = useFactorWords();
  const field = useRef<HTMLInputElement>(null);
  const ways: Way[] = [...(step.passkey ? ['passkey' as const] : []), ...(step.totp ? ['code' as const] : []), ...(step.recoveryCode ? ['recovery' as const] : [])];
  const [way, setWay] = useState<Way | undefined>(step.totp ? 'code' : ways[0]);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string>();

  const finish = async (work: () => Promise<unknown>) => {
    setError(undefined);
    setBusy(true);
    try {
      await work();
      onDone();
    } catch (caught) {
      setBusy(false);
      if (!(caught instanceof DOMException) && toFault(caught).reason === 'TICKET_ENDED') return onBack(words(caught));
      setError(words(caught));
      field.current?.select();
    }
  };
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    // Inside another form's page: it is not that one's to send.
    event.stopPropagation();
    const text = String(new FormData(event.currentTarget).get('code')).trim();
    if (!text) {
      setError(way === 'code' ? t`Enter the code.` : t`Enter a recovery code.`);
      return field.current?.focus();
    }
    const input = { ticket: step.ticket, ...(way === 'code' ? { code: text } : { recoveryCode: text }) };
    void finish(() => (again ? confirmSecond(input) : finishSignIn(input)));
  };
  const name: Record<Way, string> = { code: t`Use a code of the app`, passkey: t`Use a passkey`, recovery: t`Use a recovery code` };

  return (
    <div className="flex flex-col gap-5">
      {way === 'passkey' ? (
        <>
          <p className="text-sm text-text-2">
            <Trans>Show the passkey of your account: by finger, face, PIN or key.</Trans>
          </p>
          <div role="alert" className="text-sm text-danger empty:hidden">
            {error}
          </div>
          <Button variant="primary" size="lg" autoFocus busy={busy} onClick={() => void finish(() => (again ? confirmByPasskey() : finishWithPasskey(step.ticket)))}>
            <Trans>Use a passkey</Trans>
          </Button>
        </>
      ) : way ? (
        <form key={way} noValidate onSubmit={submit} className="flex flex-col gap-5">
          <Field
            label={way === 'code' ? t`Code` : t`Recovery code`}
            hint={way === 'code' ? t`Six figures, from your authenticator app.` : t`One of the ten that you kept. Each is good once.`}
            error={error}
          >
            {(control) => (
              <Input
                {...control}
                ref={field}
                name="code"
                autoFocus
                autoComplete={way === 'code' ? 'one-time-code' : 'off'}
                inputMode={way === 'code' ? 'numeric' : 'text'}
                autoCapitalize="none"
                spellCheck={false}
                maxLength={way === 'code' ? 9 : 40}
                className="font-mono text-lg tracking-widest tabular-nums"
              />
            )}
          </Field>
          <Button type="submit" variant="primary" size="lg" busy={busy}>
            {again ? <Trans>Confirm</Trans> : busy ? <Trans>Signing in…</Trans> : <Trans>Sign in</Trans>}
          </Button>
        </form>
      ) : (
        <p role="alert" className="text-sm">
          <Trans>Nothing that this account has works at this address. Ask whoever runs the cinema to reset your second factor.</Trans>
        </p>
      )}
      <div className="flex flex-col items-stretch gap-2">
        {ways
          .filter((w) => w !== way)
          .map((w) => (
            <Button
              key={w}
              variant="secondary"
              onClick={() => {
                setError(undefined);
                setWay(w);
              }}
            >
              {name[w]}
            </Button>
          ))}
        <Button variant="ghost" icon={icons.back} onClick={() => onBack()}>
          {again ? <Trans>Back</Trans> : <Trans>Another account</Trans>}
        </Button>
      </div>
    </div>
  );
}
