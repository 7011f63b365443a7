import { useLingui } from '@lingui/react/macro';
import type { CombinedError } from 'urql';
import { Fault, faultOf } from './api/transport';

/** The one kind of failure that the interface handles, whatever threw it. */
export function toFault(error: unknown): Fault {
  if (error instanceof Fault) return error;
  if (error && typeof error === 'object' && ('graphQLErrors' in error || 'networkError' in error)) {
    const combined = error as CombinedError;
    const first = combined.graphQLErrors[0];
    if (first) return faultOf({ message: first.message, extensions: first.extensions });
    return new Fault('NETWORK', combined.message);
  }
  return new Fault('INTERNAL', error instanceof Error ? error.message : String(error));
}

/** Words for a failure: what happened and what to do. */
export function useFaultText(): (error: unknown) => string {
  const { t } = useLingui();
  return (error) => {
    const fault = toFault(error);
    switch (fault.reason) {
      case 'LOGIN_TAKEN':
        return t`This login is taken. Choose another one.`;
      case 'SLUG_TAKEN':
        return t`This word is taken. Choose another one.`;
      case 'NUMBER_TAKEN':
        return t`This number is taken. Choose another one.`;
    }
    switch (fault.code) {
      case 'NETWORK':
        return navigator.onLine ? t`The cinema does not answer. Try again in a moment.` : t`You are offline. Try again when the connection is back.`;
      case 'UNAUTHENTICATED':
        return t`You are signed out. Sign in again.`;
      case 'FORBIDDEN':
        return t`Your account may not do this.`;
      case 'NOT_FOUND':
        return t`It is not here any more.`;
      case 'CONFLICT':
        return t`Someone else changed this meanwhile. Load it again.`;
      case 'RATE_LIMITED':
        return t`That was too often. Wait a minute and try again.`;
      case 'UNAVAILABLE':
        return t`A part of the cinema is down at the moment. Try again soon.`;
      case 'INVALID':
        return fault.message;
      default:
        return t`Something went wrong on the server. Try again.`;
    }
  };
}
