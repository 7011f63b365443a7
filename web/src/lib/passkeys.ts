import { graphql } from '~/gql/gql';
import type { PasskeyAnswerInput, PasskeyChallenge } from '~/gql/graphql';
import { execute } from './api/transport';

const PasskeySupport = graphql(/* GraphQL */ `
  query PasskeySupport { passkeySupport { available address } }
`);

/** Where passkeys work: here, at another address, or nowhere; `browser` when this one knows none. */
export type PasskeyPlace = { at: 'here' } | { at: 'elsewhere'; address: string } | { at: 'nowhere' } | { at: 'browser' };

export async function passkeyPlace(): Promise<PasskeyPlace> {
  const { available, address } = (await execute(PasskeySupport, {})).passkeySupport;
  if (!available) return { at: 'nowhere' };
  if (new URL(address).origin !== location.origin) return { at: 'elsewhere', address };
  return typeof PublicKeyCredential === 'undefined' ? { at: 'browser' } : { at: 'here' };
}

/** Whether the browser offers passkeys among the logins of a form. */
export const hasAutofill = async () => !!(await PublicKeyCredential.isConditionalMediationAvailable?.());

/* The browsers' own conversion from and to JSON is younger than passkeys. */
const bytes = (text: string) => Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
const text = (buffer: ArrayBuffer | null) =>
  buffer ? btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '') : undefined;

interface Described {
  id: string;
  type: 'public-key';
  transports?: AuthenticatorTransport[];
}
const described = (list: Described[] | undefined) => list?.map((c) => ({ ...c, id: bytes(c.id) }));

type Asked = Pick<PasskeyChallenge, 'challenge' | 'options'>;

const answer = (asked: Asked, credential: PublicKeyCredential, response: object): PasskeyAnswerInput => ({
  challenge: asked.challenge,
  credential: JSON.stringify({
    id: credential.id,
    rawId: text(credential.rawId),
    type: credential.type,
    authenticatorAttachment: credential.authenticatorAttachment ?? undefined,
    clientExtensionResults: {},
    response,
  }),
});

/** Has the browser show a passkey. Throws what the browser throws. */
export async function getPasskey(asked: Asked, signal?: AbortSignal, autofill = false): Promise<PasskeyAnswerInput> {
  const options = JSON.parse(asked.options) as { challenge: string; allowCredentials?: Described[] };
  const credential = (await navigator.credentials.get({
    publicKey: { ...options, challenge: bytes(options.challenge), allowCredentials: described(options.allowCredentials) },
    signal,
    ...(autofill ? { mediation: 'conditional' as const } : {}),
  })) as PublicKeyCredential;
  const r = credential.response as AuthenticatorAssertionResponse;
  return answer(asked, credential, {
    clientDataJSON: text(r.clientDataJSON),
    authenticatorData: text(r.authenticatorData),
    signature: text(r.signature),
    userHandle: text(r.userHandle),
  });
}

/** Has the browser make a passkey. Throws what the browser throws. */
export async function makePasskey(asked: Asked): Promise<PasskeyAnswerInput> {
  const options = JSON.parse(asked.options) as Omit<PublicKeyCredentialCreationOptions, 'challenge' | 'user' | 'excludeCredentials'> & {
    challenge: string;
    user: { id: string; name: string; displayName: string };
    excludeCredentials?: Described[];
  };
  const credential = (await navigator.credentials.create({
    publicKey: {
      ...options,
      challenge: bytes(options.challenge),
      user: { ...options.user, id: bytes(options.user.id) },
      excludeCredentials: described(options.excludeCredentials),
    },
  })) as PublicKeyCredential;
  const r = credential.response as AuthenticatorAttestationResponse;
  return answer(asked, credential, {
    clientDataJSON: text(r.clientDataJSON),
    attestationObject: text(r.attestationObject),
    transports: r.getTransports?.() ?? [],
  });
}
