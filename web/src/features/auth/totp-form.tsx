import { Trans, useLingui } from '@lingui/react/macro';
import { useRef, useState, type FormEvent } from 'react';
import type { TotpSetUp } from '~/gql/graphql';
import { whenFresh } from '~/lib/fresh';
import { Button } from '~/ui/button';
import { Field, Input } from '~/ui/field';
import { toast } from '~/ui/toast';
import { addTotp, type Added } from './factor-api';
import { useFactorWords } from './factor-words';

interface Props {
  setUp: Pick<TotpSetUp, 'setUp' | 'key' | 'url' | 'qrCode'>;
  ticket?: string;
  onAdded: (added: Added) => void;
}

/** The key for the app, as a picture and to be typed, and the first code that the app shows. */
export function TotpForm({ setUp, ticket, onAdded }: Props) {
  const { t } = useLingui();
  const words = useFactorWords();
  const input = useRef<HTMLInputElement>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string>();
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const code = String(new FormData(event.currentTarget).get('code')).trim();
    if (!code) {
      setError(t`Enter the code.`);
      return input.current?.focus();
    }
    setBusy(true);
    setError(undefined);
    try {
      // The sign-in may have grown old while the app was being looked for.
      const added = await whenFresh(() => addTotp(setUp.setUp, code, ticket));
      if (added) return onAdded(added);
      setBusy(false);
    } catch (caught) {
      setBusy(false);
      setError(words(caught));
      input.current?.select();
    }
  };
  const copy = async () => {
    await navigator.clipboard.writeText(setUp.key.replaceAll(' ', ''));
    toast(t`The key is copied.`);
  };
  return (
    <form noValidate onSubmit={(event) => void submit(event)} className="flex flex-col gap-5">
      <p className="text-sm text-text-2">
        <Trans>Scan the picture with an authenticator app, or type the key into it.</Trans>
      </p>
      <div className="flex flex-wrap items-center gap-5">
        {/* White all around, in a dark theme too: cameras want it. */}
        <img src={setUp.qrCode} alt={t`QR code of the key`} width={200} height={200} className="rounded-md bg-white" />
        <div className="flex min-w-40 flex-1 flex-col items-start gap-3">
          <div>
            <div className="text-sm text-text-3">
              <Trans>Key</Trans>
            </div>
            <code className="font-mono text-sm break-words">{setUp.key}</code>
          </div>
          <div className="flex flex-wrap gap-2">
            {navigator.clipboard && (
              <Button size="sm" onClick={() => void copy()}>
                <Trans>Copy the key</Trans>
              </Button>
            )}
            <a href={setUp.url} className="inline-flex min-h-9 items-center rounded-md px-3 text-sm text-accent-text underline-offset-4 hover:underline pointer-fine:hidden">
              <Trans>Open the app</Trans>
            </a>
          </div>
        </div>
      </div>
      <Field label={t`Code that the app shows`} error={error}>
        {(control) => (
          <Input
            {...control}
            ref={input}
            name="code"
            autoComplete="one-time-code"
            inputMode="numeric"
            maxLength={9}
            className="font-mono text-lg tracking-widest tabular-nums"
          />
        )}
      </Field>
      <Button type="submit" variant="primary" busy={busy}>
        <Trans>Set up</Trans>
      </Button>
    </form>
  );
}
