import { screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { graphql, HttpResponse } from 'msw';
import { beforeEach, describe, expect, it } from 'vitest';
import { open, refuse } from './app';
import { server } from './server';

const ways = (signUp: string, mail: boolean) => graphql.query('WaysIn', () => HttpResponse.json({ data: { waysIn: { signUp, mail } } }));

describe('ways back', () => {
  beforeEach(() => {
    server.use(graphql.mutation('RefreshSession', () => refuse('UNAUTHENTICATED')));
  });

  it.each([
    ['CLOSED', /takes no new accounts/],
    ['INVITATION', /by invitation here/],
  ])('has words instead of a form where sign-up is %s', async (mode, words) => {
    server.use(ways(mode, false));
    open('/signup');
    expect(await screen.findByText(words)).toBeTruthy();
    expect(screen.queryByLabelText('Password')).toBeNull();
  });

  it('leads to an administrator where no e-mail is sent', async () => {
    server.use(ways('OPEN', false));
    open('/forgot');
    expect(await screen.findByText(/they can make you a link/)).toBeTruthy();
  });

  it('answers the same whoever asks for a link', async () => {
    server.use(ways('OPEN', true), graphql.mutation('RequestPasswordReset', () => HttpResponse.json({ data: { requestPasswordReset: { taken: true } } })));
    open('/forgot');
    await userEvent.type(await screen.findByLabelText('Login or e-mail'), 'nobody@example.org{enter}');
    expect(await screen.findByText(/If there is such an account/)).toBeTruthy();
  });

  it('takes the secret out of the address and sets the password with it', async () => {
    const sent: unknown[] = [];
    const authorized: (string | null)[] = [];
    server.use(
      graphql.mutation('CheckPasswordLink', ({ variables, request }) => {
        sent.push(variables);
        authorized.push(request.headers.get('authorization'));
        return HttpResponse.json({ data: { checkPasswordLink: { login: 'ann', apiKeys: 2 } } });
      }),
      graphql.mutation('ResetPassword', ({ variables }) => {
        sent.push(variables);
        return sent.length < 3
          ? refuse('INVALID', { field: 'input.password', reason: 'PASSWORD_COMMON' })
          : HttpResponse.json({ data: { resetPassword: { login: 'ann' } } });
      }),
    );
    history.replaceState(null, '', '/reset#s3cret');
    open('/reset#s3cret');
    const field = await screen.findByLabelText('New password');
    expect(location.href).not.toContain('s3cret');
    expect(field.getAttribute('autocomplete')).toBe('new-password');
    expect(screen.getByLabelText<HTMLInputElement>('Login').value).toBe('ann');
    const user = userEvent.setup();
    await user.type(field, 'password1{enter}');
    expect(await screen.findByText(/among the first/)).toBeTruthy();
    await user.clear(field);
    await user.click(screen.getByRole('checkbox', { name: /Revoke the account’s 2 API keys too/ }));
    await user.type(field, 'violet tractor 41{enter}');
    expect(await screen.findByText(/The password is changed/)).toBeTruthy();
    expect(sent).toEqual([
      { input: { token: 's3cret' } },
      { input: { token: 's3cret', password: 'password1', revokeApiKeys: true } },
      { input: { token: 's3cret', password: 'violet tractor 41', revokeApiKeys: false } },
    ]);
    expect(authorized).toEqual([null]);
  });

  it('says that a link has ended and where to get another', async () => {
    server.use(graphql.mutation('CheckPasswordLink', () => refuse('INVALID', { field: 'input.token', reason: 'LINK_ENDED' })));
    history.replaceState(null, '', '/reset#old');
    open('/reset#old');
    expect(await screen.findByText(/This link has ended/)).toBeTruthy();
    await waitFor(() => expect(screen.getByRole('link', { name: 'Ask for another link' }).getAttribute('href')).toBe('/forgot'));
  });
});
