import { graphql } from '~/gql/gql';
import { execute } from '~/lib/api/transport';
import { localeStore } from '~/lib/i18n';
import { enterBy, renew } from '~/lib/session';

const WaysIn = graphql(/* GraphQL */ `
  query WaysIn { waysIn { signUp mail } }
`);
const RequestPasswordReset = graphql(/* GraphQL */ `
  mutation RequestPasswordReset($input: RequestPasswordResetInput!) { requestPasswordReset(input: $input) { taken } }
`);
const CheckPasswordLink = graphql(/* GraphQL */ `
  mutation CheckPasswordLink($input: LinkInput!) { checkPasswordLink(input: $input) { login apiKeys } }
`);
const ResetPassword = graphql(/* GraphQL */ `
  mutation ResetPassword($input: ResetPasswordInput!) { resetPassword(input: $input) { login } }
`);
const ConfirmEmail = graphql(/* GraphQL */ `
  mutation ConfirmEmail($input: LinkInput!) { confirmEmail(input: $input) { email } }
`);
const UndoEmail = graphql(/* GraphQL */ `
  mutation UndoEmail($input: LinkInput!) { undoEmail(input: $input) { email resetToken } }
`);
const CheckInvitation = graphql(/* GraphQL */ `
  mutation CheckInvitation($input: LinkInput!) { checkInvitation(input: $input) { email } }
`);
const AcceptInvitation = graphql(/* GraphQL */ `
  mutation AcceptInvitation($input: AcceptInvitationInput!) { acceptInvitation(input: $input) { ...SessionFields } }
`);

// None of them sends a token: a link is followed by whoever holds it, also where
// someone else is signed in.

export const waysIn = async () => (await execute(WaysIn, {})).waysIn;

export const requestPasswordReset = (login: string) => execute(RequestPasswordReset, { input: { login, locale: localeStore.get() } });

export const checkPasswordLink = async (token: string) => (await execute(CheckPasswordLink, { input: { token } })).checkPasswordLink;

/** Sets the password. The account's sessions end, and so does this browser's if it is one of them. */
export async function resetPassword(token: string, password: string, revokeApiKeys: boolean): Promise<string> {
  const { login } = (await execute(ResetPassword, { input: { token, password, revokeApiKeys } })).resetPassword;
  await renew().catch(() => false);
  return login;
}

export const confirmEmail = async (token: string) => (await execute(ConfirmEmail, { input: { token } })).confirmEmail.email;

export async function undoEmail(token: string) {
  const { undoEmail: done } = await execute(UndoEmail, { input: { token } });
  await renew().catch(() => false);
  // The address is back whether or not this is answered: then the choice is shown in any case.
  const apiKeys = await checkPasswordLink(done.resetToken).then((link) => link.apiKeys, () => 1);
  return { ...done, apiKeys };
}

export const checkInvitation = async (token: string) => (await execute(CheckInvitation, { input: { token } })).checkInvitation;

export const acceptInvitation = (input: { token: string; login: string | null; password: string; name: string | null }): Promise<void> =>
  enterBy(async () => (await execute(AcceptInvitation, { input: { ...input, locale: localeStore.get() } })).acceptInvitation);

let kept: { path: string; secret: string } | undefined;

/**
 * The secret of the link that led to this page. It goes out of the address bar
 * and the history at once, so that nobody reads it over a shoulder or takes it
 * along with the address; a reload then needs the link again.
 */
export function takeSecret(): string {
  const path = location.pathname;
  const secret = location.hash.slice(1);
  if (secret) {
    kept = { path, secret };
    history.replaceState(history.state, '', path + location.search);
  }
  return kept?.path === path ? kept.secret : '';
}

/** Forgets it, once it is used. */
export function dropSecret() {
  kept = undefined;
}
