import { useLingui } from '@lingui/react/macro';
import type { Fault } from '~/lib/api/transport';
import { useFaultText } from '~/lib/faults';

/** Words for what is wrong with a password; for anything else those of useFaultText. */
export function usePasswordWords(): (fault: Fault) => string {
  const { t } = useLingui();
  const words = useFaultText();
  return (fault) => {
    switch (fault.reason) {
      case 'PASSWORD_SHORT':
        return t`Enter at least 8 characters.`;
      case 'PASSWORD_LONG':
        return t`This password is too long: 1,024 bytes are the most.`;
      case 'PASSWORD_INVALID':
        return t`This password has characters that are no text.`;
      case 'PASSWORD_COMMON':
        return t`This password is among the first that anyone would try. Choose another, such as a few unrelated words.`;
      case 'PASSWORD_IS_LOGIN':
        return t`The password must not be the login.`;
      case 'PASSWORD_SAME':
        return t`This is the present password. Choose another one.`;
      case 'WRONG_PASSWORD':
        return t`This is not the present password.`;
      default:
        return words(fault);
    }
  };
}
