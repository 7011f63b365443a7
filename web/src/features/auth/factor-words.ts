import { useLingui } from '@lingui/react/macro';
import { toFault, useFaultText } from '~/lib/faults';

/** Words for what goes wrong with codes and passkeys, in the browser too; for anything else those of useFaultText. */
export function useFactorWords(): (error: unknown) => string {
  const { t } = useLingui();
  const words = useFaultText();
  return (error) => {
    if (error instanceof DOMException) {
      if (error.name === 'InvalidStateError') return t`This device has a passkey for the account already.`;
      if (error.name === 'NotAllowedError' || error.name === 'AbortError') return t`No passkey was used. Try again, or choose another way.`;
      return t`The browser does not allow a passkey here.`;
    }
    const fault = toFault(error);
    switch (fault.reason) {
      case 'WRONG_CODE':
        return t`This code is wrong or was used already. Wait for the next one.`;
      case 'WRONG_RECOVERY_CODE':
        return t`This recovery code is wrong or was used already.`;
      case 'WRONG_PASSKEY':
        return t`This passkey does not open the account. Choose another way.`;
      case 'PASSKEY_COPIED':
        return t`There may be a copy of this passkey, so it was refused. Sign in another way and delete it.`;
      case 'PASSKEY_KNOWN':
        return t`This passkey is there already.`;
      case 'PASSKEY_REFUSED':
        return t`The browser’s answer could not be used. Try again.`;
      case 'PASSKEYS_UNAVAILABLE':
        return t`The cinema’s address cannot have passkeys.`;
      case 'TOO_MANY':
        return t`20 passkeys are the most. Delete one first.`;
      case 'TICKET_ENDED':
        return t`That took too long. Begin again.`;
      case 'LAST_FACTOR':
        return t`An administrator must have a second factor here. Add another one first.`;
      case 'LAST_WAY_IN':
        return t`This is the only way to sign in. Add another one first.`;
      case 'WRONG_PASSWORD':
        return t`This is not the present password.`;
      case 'ACCOUNT_BLOCKED':
        return t`This account is blocked. Ask an administrator.`;
      case 'REAUTHENTICATION_REQUIRED':
        return t`Confirm that it is you to go on.`;
      default:
        return words(fault);
    }
  };
}
