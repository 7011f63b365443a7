import { Trans, useLingui } from '@lingui/react/macro';
import { useState, type FormEvent } from 'react';
import { useMutation, useQuery } from 'urql';
import { graphql } from '~/gql/gql';
import { toFault, useFaultText } from '~/lib/faults';
import { orThrow, whenFresh } from '~/lib/fresh';
import { noteUser, type Profile } from '~/lib/session';
import { Button } from '~/ui/button';
import { Dialog } from '~/ui/dialog';
import { Field, Input } from '~/ui/field';
import { toast } from '~/ui/toast';
import { icons } from '~/ui/more-icons';

const SetPin = graphql(/* GraphQL */ `
  mutation SetPin($input: SetPinInput!) { setPin(input: $input) { user { ...Account } } }
`);

const HasPassword = graphql(/* GraphQL */ `
  query HasPassword { me { id factors { password } } }
`);

/** Gives a profile a PIN, another one, or none. The account's password says that its owner does. */
export function PinForm({ profile, login, onClose }: { profile: Profile; login: string; onClose: () => void }) {
  const { t } = useLingui();
  const words = useFaultText();
  const [, set] = useMutation(SetPin);
  const [{ data: own }] = useQuery({ query: HasPassword, requestPolicy: 'cache-and-network' });
  const hasPassword = own?.me.factors?.password ?? true;
  const [pin, setPin] = useState('');
  const [password, setPassword] = useState('');
  const [errors, setErrors] = useState<{ pin?: string; password?: string }>({});
  const [busy, setBusy] = useState(false);

  const save = async (next: string | null) => {
    const wrong = {
      pin: next === null || /^\d{4,8}$/.test(next) ? undefined : t`A PIN has 4 to 8 digits.`,
      password: password || !hasPassword ? undefined : t`Enter the account’s password.`,
    };
    setErrors(wrong);
    if (wrong.pin || wrong.password) return;
    setBusy(true);
    try {
      const done = await whenFresh(async () => orThrow(await set({ input: { profileId: profile.id, pin: next, password: hasPassword ? password : null } })));
      if (!done) return;
      if (done.data) noteUser(done.data.setPin.user);
    } catch (error) {
      const fault = toFault(error);
      const text = fault.reason === 'WRONG_PASSWORD' ? t`This is not the account’s password.` : words(fault);
      setErrors(hasPassword ? { password: text } : { pin: text });
      return;
    } finally {
      setBusy(false);
    }
    toast(next === null ? t`The PIN of ${profile.name} is taken away.` : t`${profile.name} has a PIN now.`);
    onClose();
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void save(pin);
  };

  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={<Trans>PIN of {profile.name}</Trans>}
      description={<Trans>A PIN that was forgotten is replaced here too.</Trans>}
      closeLabel={t`Close`}
      footer={
        <>
          {profile.hasPin && (
            <Button variant="ghost" icon={icons.trash} className="mr-auto" onClick={() => void save(null)}>
              <Trans>Take it away</Trans>
            </Button>
          )}
          <Button type="submit" form="set-pin" variant="primary" busy={busy}>
            <Trans>Save</Trans>
          </Button>
        </>
      }
    >
      <form id="set-pin" noValidate onSubmit={submit} className="flex flex-col gap-5">
        <input type="text" name="username" autoComplete="username" defaultValue={login} hidden readOnly />
        <Field label={t`New PIN`} hint={t`4 to 8 digits.`} error={errors.pin}>
          {(control) => (
            <Input
              {...control}
              type="password"
              inputMode="numeric"
              autoComplete="off"
              maxLength={8}
              value={pin}
              onChange={(event) => setPin(event.target.value.replace(/\D/g, ''))}
            />
          )}
        </Field>
        {hasPassword && (
          <Field label={t`Password of the account`} error={errors.password}>
            {(control) => (
              <Input {...control} type="password" autoComplete="current-password" value={password} onChange={(event) => setPassword(event.target.value)} />
            )}
          </Field>
        )}
      </form>
    </Dialog>
  );
}
