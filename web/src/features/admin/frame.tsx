import { Trans, useLingui } from '@lingui/react/macro';
import { Link, Outlet } from '@tanstack/react-router';
import { useEffect, type ReactNode } from 'react';
import { useQuery } from 'urql';
import { graphql } from '~/gql/gql';
import { can, useSession } from '~/lib/session';
import { Brand } from '~/ui/brand';
import { cx } from '~/ui/cx';
import { Icon, type IconName } from '~/ui/icon';
import { icons } from '~/ui/more-icons';

const item =
  'flex h-11 shrink-0 items-center gap-3 rounded-md px-3 text-sm font-medium whitespace-nowrap text-text-2 transition-colors hover:bg-surface-2 hover:text-text-1 data-[status=active]:bg-surface-2 data-[status=active]:text-text-1 lg:pointer-fine:h-9 [&[data-status=active]>svg]:text-accent-text';

/** The panel's frame: places on the left, on top of a phone; only those the account may use. */
/** Only to hear of it when viewers see an old catalogue: the panel itself reads the records behind it. */
const AdminCatalogue = graphql(/* GraphQL */ `
  query AdminCatalogue {
    genres { id }
  }
`);
const askMs = 60_000;

export function AdminFrame() {
  const [, again] = useQuery({ query: AdminCatalogue, requestPolicy: 'network-only' });
  useEffect(() => {
    const timer = setInterval(() => again({ requestPolicy: 'network-only' }), askMs);
    return () => clearInterval(timer);
  }, [again]);
  const { t } = useLingui();
  const session = useSession();
  const places: { to: string; icon: IconName; name: ReactNode; needs: string; exact?: boolean }[] = [
    { to: '/admin', icon: icons.chart, name: <Trans>Dashboard</Trans>, needs: 'stats:read', exact: true },
    { to: '/admin/titles', icon: 'film', name: <Trans>Titles</Trans>, needs: 'title:read' },
    { to: '/admin/genres', icon: icons.tag, name: <Trans>Genres</Trans>, needs: 'title:read' },
    { to: '/admin/people', icon: 'people', name: <Trans>People</Trans>, needs: 'title:read' },
    { to: '/admin/jobs', icon: icons.gear, name: <Trans>Jobs</Trans>, needs: 'title:read' },
    { to: '/admin/users', icon: 'user', name: <Trans>Users</Trans>, needs: 'user:read' },
    { to: '/admin/roles', icon: icons.star, name: <Trans>Roles</Trans>, needs: 'role:write' },
    { to: '/admin/audit', icon: icons.list, name: <Trans>Audit log</Trans>, needs: 'audit:read' },
  ];
  return (
    <div className="lg:grid lg:grid-cols-[208px_minmax(0,1fr)]">
      <div className="sticky top-0 z-30 border-b border-line bg-surface-0 lg:flex lg:h-dvh lg:flex-col lg:border-r lg:border-b-0 lg:p-3">
        <div className="flex items-center justify-between px-4 pt-2 lg:px-2 lg:pt-1 lg:pb-4">
          <Link to="/" className="flex h-11 items-center rounded-md" aria-label={t`Back to the cinema`}>
            <Brand className="text-sm" />
          </Link>
          <Link to="/" className={cx(item, 'lg:hidden')}>
            <Icon name={icons.back} size={18} />
            <Trans>Cinema</Trans>
          </Link>
        </div>
        <nav aria-label={t`Manage`} className="flex gap-1 overflow-x-auto px-2 py-1 [scrollbar-width:none] lg:flex-col lg:overflow-visible lg:px-0">
          {places
            .filter((place) => can(place.needs, session))
            .map((place) => (
              <Link key={place.to} to={place.to} search={{}} activeOptions={{ exact: place.exact, includeSearch: false }} className={item}>
                <Icon name={place.icon} size={18} className="max-sm:hidden" />
                {place.name}
              </Link>
            ))}
        </nav>
        <div className="hidden lg:mt-auto lg:block">
          <Link to="/" className={item}>
            <Icon name={icons.back} size={18} />
            <Trans>Back to the cinema</Trans>
          </Link>
        </div>
      </div>
      <Outlet />
    </div>
  );
}
