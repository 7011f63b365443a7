import { useLingui } from '@lingui/react/macro';
import { toFault } from '~/lib/faults';
import { usePasswordWords } from './password-words';

/** Words for what is wrong with a link, an address, or a sign-up; for anything else those of a password. */
export function useLinkWords(): (error: unknown) => string {
  const { t } = useLingui();
  const words = usePasswordWords();
  return (error) => {
    const fault = toFault(error);
    switch (fault.reason) {
      case 'LINK_ENDED':
        return t`This link has ended, was used already, or was replaced by a newer one.`;
      case 'NO_MAIL':
        return t`This cinema sends no e-mail. Ask an administrator.`;
      case 'LOGIN_INVALID':
        return t`A login is 3 to 64 letters of one alphabet, digits and signs without spaces, or an e-mail address.`;
      case 'EMAIL_INVALID':
        return t`Enter an e-mail address.`;
      case 'EMAIL_SAME':
        return t`This is the present address.`;
      case 'EMAIL_TAKEN':
        return t`Another account has this address.`;
      case 'SIGN_UP_CLOSED':
        return t`This cinema takes no new accounts.`;
      case 'SIGN_UP_BY_INVITATION':
        return t`New accounts are by invitation here. Ask an administrator for one.`;
      default:
        return words(fault);
    }
  };
}
