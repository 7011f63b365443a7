import { Trans, useLingui } from '@lingui/react/macro';
import { useRef, useState, type FormEvent } from 'react';
import { useMutation, useQuery } from 'urql';
import { graphql } from '~/gql/gql';
import { toFault } from '~/lib/faults';
import { askAgain, orThrow, whenFresh } from '~/lib/fresh';
import { confirmByPassword } from '~/lib/sign-in';
import { Button } from '~/ui/button';
import { Dialog } from '~/ui/dialog';
import { Field } from '~/ui/field';
import { toast } from '~/ui/toast';
import { KeysToo } from './keys-too';
import { PasswordInput } from './password-input';
import { usePasswordWords } from './password-words';

const ChangePassword = graphql(/* GraphQL */ `
  mutation ChangePassword($input: ChangePasswordInput!) {
    changePassword(input: $input) { ended user { id sessions { id } apiKeys { most grantable keys { id } } } }
  }
`);
const OwnKeys = graphql(/* GraphQL */ `
  query OwnKeys { me { id apiKeys { keys { id expiresAt } } } }
`);

type Errors = Partial<Record<'password' | 'newPassword' | 'all', string>>;

/** Changes the password, or sets the `first` one of an account that has none. */
export function PasswordDialog({ first, login, onClose, closeLabel }: { first: boolean; login: string; onClose: () => void; closeLabel: string }) {
  const { t } = useLingui();
  const words = usePasswordWords();
  const form = useRef<HTMLFormElement>(null);
  const [errors, setErrors] = useState<Errors>({});
  const [{ fetching }, change] = useMutation(ChangePassword);
  const [{ data: own }] = useQuery({ query: OwnKeys, requestPolicy: 'cache-and-network' });
  const [opened] = useState(Date.now);
  const keys = own?.me.apiKeys?.keys.filter((k) => Date.parse(k.expiresAt) > opened).length ?? 0;

  const refuse = (found: Errors) => {
    setErrors(found);
    const field = (['password', 'newPassword'] as const).find((f) => found[f]);
    if (field) form.current?.querySelector<HTMLElement>(`[name=${field}]`)?.focus();
  };
  const refuseFor = (error: unknown) => {
    const fault = toFault(error);
    const field = fault.field?.split('.').pop();
    if (field === 'password' || field === 'newPassword') return refuse({ [field]: words(fault) });
    return refuse({ all: words(fault) });
  };
  const setFirst = async (newPassword: string, revokeApiKeys: boolean) => {
    try {
      if (!(await whenFresh(async () => orThrow(await change({ input: { newPassword, revokeApiKeys } }))))) return;
    } catch (error) {
      return refuseFor(error);
    }
    toast(t`The password is set.`);
    onClose();
  };
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    const password = String(data.get('password'));
    const newPassword = String(data.get('newPassword'));
    const revokeApiKeys = data.has('keys');
    if (!first && !password) return refuse({ password: t`Enter the present password.` });
    if (newPassword.length < 8) return refuse({ newPassword: t`Enter at least 8 characters.` });
    setErrors({});
    if (first) return setFirst(newPassword, revokeApiKeys);
    let result = await change({ input: { password, newPassword, revokeApiKeys } });
    if (result.error && toFault(result.error).reason === 'REAUTHENTICATION_REQUIRED') {
      // The password that was just typed is what would be asked for.
      try {
        const step = await confirmByPassword(password);
        if (step && !(await askAgain(step))) return;
      } catch (error) {
        const fault = toFault(error);
        return refuse(fault.reason === 'WRONG_PASSWORD' ? { password: words(fault) } : { all: words(fault) });
      }
      result = await change({ input: { password, newPassword, revokeApiKeys } });
    }
    if (result.error) return refuseFor(result.error);
    toast(result.data?.changePassword.ended ? t`The password is changed, the other devices are signed out.` : t`The password is changed.`);
    onClose();
  };

  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={first ? <Trans>Set a password</Trans> : <Trans>Change the password</Trans>}
      description={<Trans>Every other device is signed out.</Trans>}
      closeLabel={closeLabel}
      footer={
        <Button type="submit" form="change-password" variant="primary" busy={fetching}>
          {first ? <Trans>Set a password</Trans> : <Trans>Change the password</Trans>}
        </Button>
      }
    >
      <form id="change-password" ref={form} noValidate onSubmit={(event) => void submit(event)} className="flex flex-col gap-5">
        {/* Tells a password manager whose password this is. */}
        <input type="text" name="username" autoComplete="username" defaultValue={login} hidden readOnly />
        {!first && (
          <Field label={t`Present password`} error={errors.password}>
            {(control) => <PasswordInput {...control} name="password" autoComplete="current-password" />}
          </Field>
        )}
        <Field label={t`New password`} hint={t`8 characters or more.`} error={errors.newPassword}>
          {(control) => <PasswordInput {...control} name="newPassword" autoComplete="new-password" />}
        </Field>
        <KeysToo keys={keys}>
          <Trans>Programs go on with them unless you do. Needed where somebody else may have been in your account.</Trans>
        </KeysToo>
        <div role="alert" className="text-sm text-danger empty:hidden">
          {errors.all}
        </div>
      </form>
    </Dialog>
  );
}
