import { Trans } from '@lingui/react/macro';
import { useEffect, useState } from 'react';
import { Button } from '~/ui/button';
import { useFactorWords } from './factor-words';
import { beginWith, providers, type Provider } from './provider-api';

/** A button for each provider that one can sign in with; nothing where there are none. */
export function ProviderButtons({ to }: { to?: string }) {
  const words = useFactorWords();
  const [all, setAll] = useState<readonly Provider[]>([]);
  const [busy, setBusy] = useState<string>();
  const [error, setError] = useState<string>();
  useEffect(() => {
    let gone = false;
    // Without an answer the password is still there to be used.
    providers().then((found) => !gone && setAll(found), () => undefined);
    return () => {
      gone = true;
    };
  }, []);
  const begin = async (id: string) => {
    setBusy(id);
    setError(undefined);
    try {
      await beginWith(id, 'SIGN_IN', to);
    } catch (caught) {
      setError(words(caught));
      setBusy(undefined);
    }
  };
  if (all.length === 0) return null;
  return (
    <div className="mt-6 flex flex-col gap-3">
      <p className="flex items-center gap-3 text-sm text-text-3 before:h-px before:flex-1 before:bg-line after:h-px after:flex-1 after:bg-line">
        <Trans>or</Trans>
      </p>
      {all.map(({ id, name }) => (
        <Button key={id} size="lg" className="w-full" busy={busy === id} onClick={() => void begin(id)}>
          <Trans>Continue with {name}</Trans>
        </Button>
      ))}
      <div role="alert" className="text-sm text-danger empty:hidden">
        {error}
      </div>
    </div>
  );
}
