import { useQuery } from 'urql';
import { graphql } from '~/gql/gql';
import type { ProviderAim } from '~/gql/graphql';
import { execute, Fault } from '~/lib/api/transport';
import { localeStore } from '~/lib/i18n';
import { enterBy, freshToken, settled } from '~/lib/session';
import type { SecondStep } from '~/lib/sign-in';

const SignInProviders = graphql(/* GraphQL */ `
  query SignInProviders { signInProviders { id name } }
`);
const BeginProvider = graphql(/* GraphQL */ `
  mutation BeginProvider($input: BeginProviderInput!) { beginProvider(input: $input) { url } }
`);
const FinishProvider = graphql(/* GraphQL */ `
  mutation FinishProvider($input: FinishProviderInput!) {
    finishProvider(input: $input) {
      aim
      to
      session { ...SessionFields }
      secondFactor { ticket setUp totp passkey recoveryCode }
    }
  }
`);
const UnlinkIdentity = graphql(/* GraphQL */ `
  mutation UnlinkIdentity($input: UnlinkIdentityInput!) { unlinkIdentity(input: $input) { factors { recoveryCodes } } }
`);
const OwnWays = graphql(/* GraphQL */ `
  query OwnWays {
    me { id factors { password passkeys { id here } identities { id provider providerId label usedAt } } }
  }
`);

export interface Provider {
  id: string;
  name: string;
}

/** Who else one can sign in with; asked once while the page is open. */
let asked: Promise<readonly Provider[]> | undefined;
export function providers(): Promise<readonly Provider[]> {
  asked ??= execute(SignInProviders, {}).then(
    (data) => data.signInProviders,
    (error: unknown) => {
      asked = undefined;
      throw error;
    },
  );
  return asked;
}

/** The ways in that the signed-in account has. */
export function useOwnWays() {
  const [{ data, error }, again] = useQuery({ query: OwnWays, requestPolicy: 'cache-and-network' });
  return { ways: data?.me.factors, error, again: () => again({ requestPolicy: 'network-only' }) };
}

/** Leaves for the provider, which sends the viewer back; what is after it does not happen on this page. */
export async function beginWith(provider: string, aim: ProviderAim, to?: string): Promise<void> {
  const token = aim === 'SIGN_IN' ? null : await freshToken();
  const { beginProvider } = await execute(BeginProvider, { input: { provider, aim, to } }, { token });
  location.assign(beginProvider.url);
  // The page is left: whoever waits for this waits until then.
  await new Promise(() => undefined);
}

/** What a provider sent back, as the program put it into the fragment. */
export interface Returned {
  provider: string;
  state: string;
  code: string;
  iss?: string;
  error?: string;
}

const answer = () => new URLSearchParams(location.hash.slice(1));

export const hasReturn = (): boolean => answer().has('with');

/** Takes the answer out of the address, once. */
export function takeReturn(): Returned | undefined {
  const given = answer();
  const provider = given.get('with');
  if (!provider) return undefined;
  history.replaceState(history.state, '', location.pathname + location.search);
  return {
    provider,
    state: given.get('state') ?? '',
    code: given.get('code') ?? '',
    iss: given.get('iss') ?? undefined,
    error: given.get('error') ?? undefined,
  };
}

/** Hands the answer on, and takes over the session that comes of it. */
export async function finishWith({ error, ...back }: Returned): Promise<{ aim: ProviderAim; to: string; step?: SecondStep }> {
  if (error || !back.code) throw new Fault('INVALID', 'the provider gave no code', undefined, 'PROVIDER_STOPPED');
  // Whoever links or confirms is signed in; it is known by now on their page.
  const session = back.state.startsWith('sign_in.') ? undefined : await settled();
  const token = session?.status === 'in' ? await freshToken() : null;
  const { finishProvider } = await execute(FinishProvider, { input: { ...back, locale: localeStore.get() } }, { token });
  const opened = finishProvider.session;
  if (opened) await enterBy(() => Promise.resolve(opened));
  return { aim: finishProvider.aim, to: finishProvider.to, step: finishProvider.secondFactor ?? undefined };
}

export async function unlink(id: string): Promise<void> {
  await execute(UnlinkIdentity, { input: { id } }, { token: await freshToken() });
}
