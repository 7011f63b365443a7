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
      case 'PROVIDER_STOPPED':
        return t`Nothing came of it: you stopped there, or it was refused. Try again, or choose another way.`;
      case 'PROVIDER_AWAY':
        return t`This way in cannot be reached at the moment. Try again shortly, or choose another one.`;
      case 'PROVIDER_REFUSED':
        return t`The answer does not prove who you are. Begin again.`;
      case 'PROVIDER_STALE':
        return t`You were not asked again there who you are. Confirm in another way, or sign out and in again.`;
      case 'NO_PROVIDER':
        return t`This way to sign in is gone. Choose another one.`;
      case 'EMAIL_HAS_ACCOUNT':
        return t`An account with this e-mail is there already. Sign in to it, then link the two on the account page.`;
      case 'IDENTITY_KNOWN':
        return t`It is linked with another account of the cinema already.`;
      case 'IDENTITY_OTHER':
        return t`Your account is not linked with that one. Choose the right one there.`;
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
