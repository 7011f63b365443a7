import { useLingui } from '@lingui/react/macro';
import { toFault, useFaultText } from '~/lib/faults';

export const builtInRoles = ['VIEWER', 'EDITOR', 'ANALYST', 'ADMIN'] as const;

interface Named {
  name: string;
  title: string;
}

/** The name of a role: of a built-in one in the language of the interface, else as whoever made it wrote it. */
export function useRoleTitle(): (name: string, roles?: readonly Named[]) => string {
  const { t } = useLingui();
  const own: Record<string, string> = { VIEWER: t`Viewer`, EDITOR: t`Editor`, ANALYST: t`Analyst`, ADMIN: t`Admin` };
  return (name, roles) => own[name] ?? roles?.find((role) => role.name === name)?.title ?? name;
}

/** What a built-in role is for; of others their own description. */
export function useRoleText(): (role: { name: string; description: string }) => string {
  const { t } = useLingui();
  const own: Record<string, string> = {
    VIEWER: t`browses and watches`,
    EDITOR: t`manages titles, people, genres and uploads`,
    ANALYST: t`sees the statistics`,
    ADMIN: t`may do everything`,
  };
  return (role) => own[role.name] ?? role.description;
}

/** What a permission allows, in words. */
export function usePermissionText(): (permission: { name: string; description: string }) => string {
  const { t } = useLingui();
  const words: Record<string, string> = {
    'audit:read': t`Read what administrators did`,
    'role:write': t`Make, change and delete roles`,
    'stats:read': t`See the statistics and who is watching`,
    'title:read': t`See the records of titles, people, genres and jobs`,
    'title:write': t`Change titles, people and genres`,
    'upload:write': t`Upload films and pictures`,
    'user:read': t`See accounts, their devices and sign-ins`,
    'user:write': t`Give roles, block, sign out and delete accounts`,
  };
  return (permission) => words[permission.name] ?? permission.description;
}

/** Words for what administration refuses; the rest as everywhere. */
export function useRightsFault(): (error: unknown) => string {
  const { t } = useLingui();
  const words = useFaultText();
  return (error) => {
    switch (toFault(error).reason) {
      case 'LAST_ADMIN':
        return t`This is the last administrator. Make another one first.`;
      case 'BEYOND_YOURS':
        return t`You cannot give what you may not do yourself.`;
      case 'ABOVE_YOU':
        return t`This account may do more than yours.`;
      case 'YOURSELF':
        return t`Ask another administrator to do this to your own account.`;
      case 'ROLE_TAKEN':
        return t`There is a role of this name. Choose another one.`;
      case 'ROLE_IN_USE':
        return t`Accounts hold this role. Say what they get instead.`;
      case 'EMAIL_INVALID':
        return t`Enter an e-mail address.`;
      case 'EMAIL_TAKEN':
        return t`Another account has this address.`;
      case 'EMAIL_IS_LOGIN':
        return t`The address is the login of this account: give it another instead.`;
      case 'DEMO_ACCOUNT':
        return t`This is a synthetic viewer: nobody signs in to it.`;
      case 'INVITATIONS_FULL':
        return t`Too many invitations are open. Withdraw some first.`;
      case 'SIGN_UP_CLOSED':
        return t`This cinema takes no new accounts.`;
      default:
        return words(error);
    }
  };
}

/** A moment in the language of the interface. */
export function useMoment(): (at: string) => string {
  const { i18n } = useLingui();
  const format = new Intl.DateTimeFormat(i18n.locale, { dateStyle: 'medium', timeStyle: 'short' });
  return (at) => format.format(new Date(at));
}

/** A device in a few words. */
export function useDevice(): (client: { browser: string; system: string; address: string }) => string {
  const { t } = useLingui();
  return ({ browser, system, address }) => [browser && system ? t`${browser} on ${system}` : browser || system || t`An unknown device`, address].filter(Boolean).join(' · ');
}
