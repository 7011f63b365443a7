import { setupServer } from 'msw/node';

/** Answers in place of the router; each test says what it needs. */
export const server = setupServer();
