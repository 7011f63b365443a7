import { Trans, useLingui } from '@lingui/react/macro';
import { Link, useNavigate } from '@tanstack/react-router';
import { useFaultText } from '~/lib/faults';
import { signOut, useUser } from '~/lib/session';
import { Avatar } from '~/ui/avatar';
import { Icon } from '~/ui/icon';
import { MenuItem, MenuLabel, MenuSeparator } from '~/ui/menu';
import { menuItemClass } from '~/ui/menu-class';
import { toast } from '~/ui/toast';

/** What the menu of the profile holds; it comes when someone opens it. */
export default function ProfileMenuItems() {
  const { t } = useLingui();
  const { user, profile } = useUser();
  const words = useFaultText();
  const navigate = useNavigate();
  return (
    <>
      <MenuLabel>
        <Trans>Who is watching</Trans>
      </MenuLabel>
      {user.profiles.map((p) => (
        <MenuItem key={p.id} onSelect={() => (p.id === profile.id ? undefined : void navigate({ to: '/profiles', search: { to: p.id } }))}>
          <Avatar name={p.name} colour={p.colour} avatar={p.avatar} size={24} />
          <span className="min-w-0 flex-1 truncate">{p.name}</span>
          {p.id === profile.id && <Icon name="check" size={16} className="text-accent-text" aria-label={t`now`} aria-hidden={false} role="img" />}
        </MenuItem>
      ))}
      <MenuSeparator />
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
  );
}
