import { Trans, useLingui } from '@lingui/react/macro';
import { Link, useLocation, useNavigate } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { signOut, useUser } from '~/lib/session';
import { useFaultText } from '~/lib/faults';
import { cx } from '~/ui/cx';
import { Icon } from '~/ui/icon';
import { LazyMenu } from '~/ui/lazy-menu';
import { menuItemClass } from '~/ui/menu-class';
import { toast } from '~/ui/toast';
import { Avatar } from '~/ui/avatar';
import { Brand } from '~/ui/brand';

const link =
  'inline-flex h-11 items-center gap-2 rounded-md px-2 text-sm font-medium whitespace-nowrap sm:px-3 text-text-2 transition-colors hover:text-text-1 data-[status=active]:text-text-1';

export function Header() {
  const { t } = useLingui();
  const { user } = useUser();
  const searching = useLocation({ select: (l) => l.pathname === '/search' });
  const overlay = useLocation({ select: (l) => l.pathname === '/' });
  const [scrolled, setScrolled] = useState(false);
  useEffect(() => {
    const note = () => setScrolled(window.scrollY > 8);
    note();
    window.addEventListener('scroll', note, { passive: true });
    return () => window.removeEventListener('scroll', note);
  }, []);
  return (
    <header
      className={cx(
        'fixed inset-x-0 top-0 z-40 border-b transition-colors text-text-1',
        // Its words must be read on any picture.
        scrolled
          ? 'border-line bg-surface-0'
          : 'border-transparent before:pointer-events-none before:absolute before:inset-x-0 before:top-0 before:-z-10 before:h-28 before:bg-[linear-gradient(to_bottom,color-mix(in_srgb,var(--surface-0)_85%,transparent),color-mix(in_srgb,var(--surface-0)_70%,transparent)_40%,transparent)]',
      )}
      // On the hero's picture the header is dark in either theme.
      data-theme={overlay && !scrolled ? 'dark' : undefined}
    >
      <div className="gutter flex h-16 items-center gap-1">
        <Link to="/" aria-label={t`NetflixAtHome, home`} className="mr-2 flex h-11 items-center rounded-md sm:mr-5">
          <Brand small />
        </Link>
        <nav aria-label={t`Main`} className="flex items-center">
          <Link to="/" activeOptions={{ exact: true }} className={cx(link, 'max-sm:hidden')}>
            <Trans>Home</Trans>
          </Link>
          <Link to="/list" className={link}>
            <Trans>My list</Trans>
          </Link>
          {user.permissions.length > 0 && (
            <Link to="/admin" className={link}>
              <Trans>Manage</Trans>
            </Link>
          )}
        </nav>
        <div className="flex-1" />
        <Link
          to="/search"
          search={{}}
          aria-keyshortcuts="/"
          className={cx('inline-flex h-11 items-center gap-3 rounded-md px-3 text-sm text-text-2 transition-colors hover:text-text-1 md:border md:border-line-strong md:bg-surface-0/60 md:pr-2 pointer-fine:md:h-10', searching && 'invisible')}
        >
          <Icon name="search" />
          <span className="sr-only md:not-sr-only md:min-w-36">
            <Trans>Search</Trans>
          </span>
          <kbd className="hidden rounded-sm border border-line px-1.5 text-xs text-text-3 pointer-fine:md:block" aria-hidden>
            /
          </kbd>
        </Link>
        <ProfileMenu />
      </div>
    </header>
  );
}

function ProfileMenu() {
  const { t } = useLingui();
  const { profile } = useUser();
  const words = useFaultText();
  const navigate = useNavigate();
  return (
    <LazyMenu
      label={t`Profile: ${profile.name}`}
      className="ml-1 grid size-11 place-items-center rounded-md hover:bg-surface-2"
      face={<Avatar name={profile.name} colour={profile.colour} avatar={profile.avatar} size={32} />}
    >
      {({ MenuItem }) => (
        <>
      <MenuItem asChild>
        <Link to="/profiles" className={menuItemClass}>
          <Icon name="people" size={18} className="text-text-3" />
          <Trans>Who is watching</Trans>
        </Link>
      </MenuItem>
      <MenuItem asChild>
        <Link to="/account" className={menuItemClass}>
          <Icon name="user" size={18} className="text-text-3" />
          <Trans>Account and profiles</Trans>
        </Link>
      </MenuItem>
      <MenuItem
        icon="out"
        onSelect={() => {
          signOut().then(
            () => navigate({ to: '/signin', search: {} }),
            (error) => toast(words(error), { tone: 'danger' }),
          );
        }}
      >
        <Trans>Sign out</Trans>
      </MenuItem>
        </>
      )}
    </LazyMenu>
  );
}
