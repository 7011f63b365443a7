import { toFault } from './faults';
import { createStore } from './store';

/** Who waits for the person to show again who is there; the dialog of the auth feature answers. */
export const askedStore = createStore<((shown: boolean) => void) | null>(null);

const isStale = (error: unknown) => toFault(error).reason === 'REAUTHENTICATION_REQUIRED';

/**
 * Does what may need a fresh sign-in: where the server asks for one, the dialog
 * does, and the act is repeated. Undefined when the person gave up. The page
 * must hold a ConfirmHost.
 */
export async function whenFresh<T>(act: () => Promise<T>): Promise<T | undefined> {
  try {
    return await act();
  } catch (error) {
    if (!isStale(error)) throw error;
  }
  const shown = await new Promise<boolean>((done) => {
    askedStore.get()?.(false);
    askedStore.set(() => done);
  });
  return shown ? act() : undefined;
}

/** The same for a result that carries its error. */
export const orThrow = <R extends { error?: unknown }>(result: R): R => {
  if (result.error) throw toFault(result.error);
  return result;
};
