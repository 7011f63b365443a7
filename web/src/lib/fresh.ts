import { toFault } from './faults';
import type { SecondStep } from './sign-in';
import { createStore } from './store';

/** Someone who waits for the person to show again who is there. */
interface Asked {
  answer: (shown: boolean) => void;
  /** What is due yet, where the first step was done already. */
  step?: SecondStep;
}

/** Who waits; the dialog of the auth feature answers. */
export const askedStore = createStore<Asked | null>(null);

/** Asks who is there, or for the second step alone, and says whether it was shown. The page must hold a ConfirmHost. */
export const askAgain = (step?: SecondStep): Promise<boolean> =>
  new Promise((answer) => {
    askedStore.get()?.answer(false);
    askedStore.set({ answer, step });
  });

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
  return (await askAgain()) ? act() : undefined;
}

/** The same for a result that carries its error. */
export const orThrow = <R extends { error?: unknown }>(result: R): R => {
  if (result.error) throw toFault(result.error);
  return result;
};
