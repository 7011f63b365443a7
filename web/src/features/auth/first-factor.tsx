import { Trans } from '@lingui/react/macro';
import { useEffect, useState } from 'react';
import type { TotpSetUp } from '~/gql/graphql';
import { toFault } from '~/lib/faults';
import { passkeyPlace, type PasskeyPlace } from '~/lib/passkeys';
import { Button } from '~/ui/button';
import { icons } from '~/ui/more-icons';
import { addPasskey, beginTotp, type Added } from './factor-api';
import { useFactorWords } from './factor-words';
import { RecoveryCodes } from './recovery-codes';
import { TotpForm } from './totp-form';

/** Where an administrator must have a second factor: sets up the first, shows the recovery codes, and only then goes in. */
export function FirstFactor({ ticket, onDone, onBack }: { ticket: string; onDone: () => void; onBack: (why?: string) => void }) {
  const words = useFactorWords();
  const [place, setPlace] = useState<PasskeyPlace>();
  const [setUp, setSetUp] = useState<Pick<TotpSetUp, 'setUp' | 'key' | 'url' | 'qrCode'>>();
  const [added, setAdded] = useState<Added>();
  const [busy, setBusy] = useState<'app' | 'passkey' | 'in'>();
  const [error, setError] = useState<string>();
  useEffect(() => {
    passkeyPlace().then(setPlace, () => undefined);
  }, []);

  const attempt = async (which: 'app' | 'passkey' | 'in', work: () => Promise<void>) => {
    setBusy(which);
    setError(undefined);
    try {
      await work();
    } catch (caught) {
      if (!(caught instanceof DOMException) && toFault(caught).reason === 'TICKET_ENDED') return onBack(words(caught));
      setError(words(caught));
    } finally {
      setBusy(undefined);
    }
  };

  if (added) {
    return (
      <div className="flex flex-col gap-6">
        {added.codes && <RecoveryCodes codes={added.codes} />}
        <Button
          variant="primary"
          size="lg"
          busy={busy === 'in'}
          onClick={() =>
            void attempt('in', async () => {
              await added.enter?.();
              onDone();
            })
          }
        >
          <Trans>I have kept them, go on</Trans>
        </Button>
      </div>
    );
  }
  if (setUp) return <TotpForm setUp={setUp} ticket={ticket} onAdded={setAdded} />;
  return (
    <div className="flex flex-col gap-3">
      <p className="mb-2 text-sm text-text-2">
        <Trans>Administrators of this cinema sign in with a second factor. Choose one; you can add more later.</Trans>
      </p>
      <div role="alert" className="text-sm text-danger empty:hidden">
        {error}
      </div>
      <Button variant="primary" size="lg" busy={busy === 'app'} onClick={() => void attempt('app', async () => setSetUp(await beginTotp(ticket)))}>
        <Trans>An authenticator app</Trans>
      </Button>
      {place?.at === 'here' && (
        <Button size="lg" busy={busy === 'passkey'} onClick={() => void attempt('passkey', async () => setAdded(await addPasskey(ticket)))}>
          <Trans>A passkey</Trans>
        </Button>
      )}
      <Button variant="ghost" icon={icons.back} onClick={() => onBack()}>
        <Trans>Another account</Trans>
      </Button>
    </div>
  );
}
