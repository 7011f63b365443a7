import type { TypedDocumentNode } from '@graphql-typed-document-node/core';
import { stringifyDocument } from '@urql/core';
import { hexOf } from '~/lib/uuid7';
import { changed } from './newest';

/** The closed list of what can go wrong, as the server names it, and NETWORK for no answer at all. */
export type FaultCode =
  | 'INVALID'
  | 'UNAUTHENTICATED'
  | 'FORBIDDEN'
  | 'NOT_FOUND'
  | 'CONFLICT'
  | 'RATE_LIMITED'
  | 'UNAVAILABLE'
  | 'INTERNAL'
  | 'NETWORK';

/** A refused request: `field` and `reason` say which input and why, where the server knows. */
export class Fault extends Error {
  constructor(
    readonly code: FaultCode,
    message: string,
    readonly field?: string,
    readonly reason?: string,
  ) {
    super(message);
    this.name = 'Fault';
  }
}

interface WireError {
  message: string;
  extensions?: Record<string, unknown>;
}

const known: readonly string[] = [
  'INVALID', 'UNAUTHENTICATED', 'FORBIDDEN', 'NOT_FOUND', 'CONFLICT', 'RATE_LIMITED', 'UNAVAILABLE',
];

const text = (value: unknown) => (typeof value === 'string' ? value : undefined);

export function faultOf(error: WireError): Fault {
  const code = text(error.extensions?.code) ?? 'INTERNAL';
  return new Fault(
    known.includes(code) ? (code as FaultCode) : 'INTERNAL',
    error.message,
    text(error.extensions?.field),
    text(error.extensions?.reason),
  );
}

/** The SHA-256 that codegen embedded in a document; the router knows the text behind it. */
export function hashOf(document: unknown): string | undefined {
  const meta = (document as { __meta__?: { hash?: string } }).__meta__;
  return meta?.hash;
}

export const unknownOperation = (errors: readonly WireError[] | undefined) =>
  !!errors?.some((e) => e.extensions?.code === 'PERSISTED_OPERATION_NOT_FOUND');

export const endpoint = '/graphql';

/** The number of a trace and of its parent (W3C Trace Context), new for each operation: spans and log lines of the
 * server carry it. Whether the trace is kept is the server's to say. */
export function traceparent() {
  const id = hexOf(crypto.getRandomValues(new Uint8Array(24)));
  return `00-${id.slice(0, 32)}-${id.slice(32)}-00`;
}

export const clientHeaders = () => ({ 'x-cinema-client': 'web', traceparent: traceparent() });

export interface Call {
  token?: string | null;
  keepalive?: boolean;
  signal?: AbortSignal;
  fetch?: typeof fetch;
}

/**
 * One operation past the cache: for the session and for events, which must not
 * depend on the client they renew or outlive. Throws a Fault.
 */
export async function execute<Data, Variables>(
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
  call: Call = {},
): Promise<Data> {
  const hash = import.meta.env.PROD ? hashOf(document) : undefined;
  const send = async (withText: boolean) => {
    const response = await (call.fetch ?? fetch)(endpoint, {
      method: 'POST',
      credentials: 'same-origin',
      keepalive: call.keepalive,
      signal: call.signal,
      headers: {
        ...clientHeaders(),
        'content-type': 'application/json',
        accept: 'application/graphql-response+json, application/json',
        ...(call.token ? { authorization: `Bearer ${call.token}` } : {}),
      },
      body: JSON.stringify({
        query: withText ? stringifyDocument(document) : undefined,
        variables,
        extensions: hash ? { persistedQuery: { version: 1, sha256Hash: hash } } : undefined,
      }),
    });
    return (await response.json()) as { data?: Data | null; errors?: WireError[] };
  };
  let answer;
  try {
    answer = await send(!hash);
    if (hash && unknownOperation(answer.errors)) answer = await send(true);
  } catch (error) {
    throw new Fault('NETWORK', error instanceof Error ? error.message : String(error));
  } finally {
    if (document.definitions.some((d) => d.kind === 'OperationDefinition' && d.operation === 'mutation')) changed();
  }
  if (answer.errors?.[0]) throw faultOf(answer.errors[0]);
  if (!answer.data) throw new Fault('INTERNAL', 'empty answer');
  return answer.data;
}
