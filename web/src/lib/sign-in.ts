import { graphql } from '~/gql/gql';
import type { ConfirmSignInInput, FinishSignInInput, SecondFactor, SignInFieldsFragment, SignUpInput } from '~/gql/graphql';
import { execute, Fault } from './api/transport';
import { getPasskey } from './passkeys';
import { enterBy, freshToken } from './session';

graphql(/* GraphQL */ `
  fragment SignInFields on SignInPayload {
    accessToken
    expiresAt
    profile { id name colour avatar locale child ageLimit hasPin }
    user { id login name permissions profiles { id name colour avatar locale child ageLimit hasPin } }
    secondFactor { ticket setUp totp passkey recoveryCode }
  }
`);
const SignIn = graphql(/* GraphQL */ `
  mutation SignIn($input: SignInInput!) { signIn(input: $input) { ...SignInFields } }
`);
const SignUp = graphql(/* GraphQL */ `
  mutation SignUp($input: SignUpInput!) { signUp(input: $input) { ...SessionFields } }
`);
const FinishSignIn = graphql(/* GraphQL */ `
  mutation FinishSignIn($input: FinishSignInInput!) { finishSignIn(input: $input) { ...SessionFields } }
`);
const BeginPasskeySignIn = graphql(/* GraphQL */ `
  mutation BeginPasskeySignIn($input: BeginPasskeySignInInput!) { beginPasskeySignIn(input: $input) { challenge options } }
`);
const SignInWithPasskey = graphql(/* GraphQL */ `
  mutation SignInWithPasskey($input: PasskeyAnswerInput!) { signInWithPasskey(input: $input) { ...SessionFields } }
`);
const BeginPasskeyConfirmation = graphql(/* GraphQL */ `
  mutation BeginPasskeyConfirmation { beginPasskeyConfirmation { challenge options } }
`);
const ConfirmSignIn = graphql(/* GraphQL */ `
  mutation ConfirmSignIn($input: ConfirmSignInInput!) { confirmSignIn(input: $input) { ...SignInFields } }
`);

/** The second step that a right password leads to. */
export type SecondStep = Pick<SecondFactor, 'ticket' | 'setUp' | 'totp' | 'passkey' | 'recoveryCode'>;

/** Goes on with the session that the work's answer holds, or returns the second step that is due. */
async function enterOrStep(work: () => Promise<SignInFieldsFragment>): Promise<SecondStep | undefined> {
  let due: SecondStep | undefined;
  const step = new Error('second step');
  try {
    await enterBy(async () => {
      const { accessToken, expiresAt, profile, user, secondFactor } = await work();
      if (accessToken && expiresAt && profile && user) return { __typename: 'SessionPayload', accessToken, expiresAt, profile, user };
      if (!secondFactor) throw new Fault('INTERNAL', 'neither a session nor a second step');
      due = secondFactor;
      throw step;
    });
  } catch (error) {
    if (error !== step) throw error;
  }
  return due;
}

/** Signs in, or returns the second step that is due. */
export const signIn = (login: string, password: string): Promise<SecondStep | undefined> =>
  enterOrStep(async () => (await execute(SignIn, { input: { login, password } })).signIn);

export const signUp = (input: Pick<SignUpInput, 'login' | 'password' | 'name' | 'locale'>): Promise<void> =>
  enterBy(async () => (await execute(SignUp, { input })).signUp);

/** The second step, by one of the factors. */
export const finishSignIn = (input: FinishSignInInput): Promise<void> =>
  enterBy(async () => (await execute(FinishSignIn, { input })).finishSignIn);

/** The second step by a passkey of the account. */
export async function finishWithPasskey(ticket: string): Promise<void> {
  const { beginPasskeySignIn } = await execute(BeginPasskeySignIn, { input: { ticket } });
  await finishSignIn({ ticket, passkey: await getPasskey(beginPasskeySignIn) });
}

/** By a passkey alone. With `autofill` the browser offers it among the logins, until the signal says to stop. */
export async function signInWithPasskey(signal: AbortSignal, autofill = false): Promise<void> {
  const { beginPasskeySignIn } = await execute(BeginPasskeySignIn, { input: {} }, { signal });
  const input = await getPasskey(beginPasskeySignIn, signal, autofill);
  await enterBy(async () => (await execute(SignInWithPasskey, { input })).signInWithPasskey);
}

async function confirm(input: ConfirmSignInInput): Promise<SecondStep | undefined> {
  const token = await freshToken();
  return enterOrStep(async () => (await execute(ConfirmSignIn, { input }, { token })).confirmSignIn);
}

/**
 * Shows again who is there; the session may then do for ten minutes what needs a
 * fresh sign-in. Where the account has a second factor it is due after this.
 */
export const confirmByPassword = (password: string): Promise<SecondStep | undefined> => confirm({ password });

/** The second step of a confirmation, after the password or a provider. */
export const confirmSecond = (input: Pick<ConfirmSignInInput, 'ticket' | 'code' | 'recoveryCode'>) => confirm(input);

export async function confirmByPasskey(): Promise<SecondStep | undefined> {
  const { beginPasskeyConfirmation } = await execute(BeginPasskeyConfirmation, {}, { token: await freshToken() });
  return confirm({ passkey: await getPasskey(beginPasskeyConfirmation) });
}
