import { Trans, useLingui } from '@lingui/react/macro';
import { useEffect, useRef, useState, type FormEvent } from 'react';
import { toFault, useFaultText } from '~/lib/faults';
import type { Profile } from '~/lib/session';
import { Button } from '~/ui/button';
import { Dialog } from '~/ui/dialog';
import { Field, Input } from '~/ui/field';
import { TooSoon } from './switch';

interface Props {
  profile: Profile;
  /** Resolves once it was right; throws a Fault. */
  onPin: (pin: string) => Promise<void>;
  onClose: () => void;
}

/** Asks for the PIN of a profile. */
export function PinDialog({ profile, onPin, onClose }: Props) {
  const { t } = useLingui();
  const words = useFaultText();
  const input = useRef<HTMLInputElement>(null);
  const [pin, setPin] = useState('');
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);
  /** Seconds until the next try is looked at. */
  const [wait, setWait] = useState(0);
  useEffect(() => {
    if (wait <= 0) return;
    const timer = setTimeout(() => setWait(wait - 1), 1000);
    return () => clearTimeout(timer);
  }, [wait]);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (wait > 0) return;
    if (!/^\d{4,8}$/.test(pin)) {
      setError(t`A PIN has 4 to 8 digits.`);
      input.current?.focus();
      return;
    }
    setBusy(true);
    try {
      await onPin(pin);
    } catch (failed) {
      const fault = toFault(failed);
      setPin('');
      if (failed instanceof TooSoon) setWait(failed.seconds);
      setError(fault.reason === 'WRONG_PIN' ? t`The PIN is wrong.` : words(fault));
      setBusy(false);
      input.current?.focus();
    }
  };

  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={<Trans>PIN of {profile.name}</Trans>}
      description={<Trans>Forgotten? Whoever knows the account’s password can set another one.</Trans>}
      closeLabel={t`Close`}
      footer={
        <Button type="submit" form="pin" variant="primary" busy={busy || wait > 0}>
          <Trans>Go on</Trans>
        </Button>
      }
    >
      <form id="pin" noValidate onSubmit={(event) => void submit(event)}>
        <Field label={t`PIN`} error={wait > 0 ? t`Too many wrong PINs. Try again in ${wait} s.` : error}>
          {(control) => (
            <Input
              {...control}
              ref={input}
              type="password"
              inputMode="numeric"
              autoComplete="off"
              maxLength={8}
              value={pin}
              onChange={(event) => setPin(event.target.value.replace(/\D/g, ''))}
              className="text-center text-lg tracking-[0.5em]"
            />
          )}
        </Field>
      </form>
    </Dialog>
  );
}
