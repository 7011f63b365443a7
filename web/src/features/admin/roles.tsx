import { Plural, Trans, useLingui } from '@lingui/react/macro';
import { useState, type FormEvent } from 'react';
import { useMutation, useQuery } from 'urql';
import { graphql } from '~/gql/gql';
import type { AdminRolesQuery } from '~/gql/graphql';
import { toFault } from '~/lib/faults';
import { orThrow, whenFresh } from '~/lib/fresh';
import { can } from '~/lib/session';
import { Button, IconButton } from '~/ui/button';
import { Chip } from '~/ui/chip';
import { Dialog } from '~/ui/dialog';
import { Field, Input, Select } from '~/ui/field';
import { icons } from '~/ui/more-icons';
import { toast } from '~/ui/toast';
import { slugOf } from './names';
import { LoadError, Page, RowsSkeleton } from './page';
import { builtInRoles, usePermissionText, useRightsFault, useRoleText, useRoleTitle } from './rights';

const RolesDocument = graphql(/* GraphQL */ `
  query AdminRoles {
    roles { name title description permissions builtIn fixed holders }
    permissions { name description }
  }
`);
const CreateRole = graphql(/* GraphQL */ `
  mutation CreateRole($input: CreateRoleInput!) { createRole(input: $input) { role { name } } }
`);
const UpdateRole = graphql(/* GraphQL */ `
  mutation UpdateRole($input: UpdateRoleInput!) { updateRole(input: $input) { role { name } } }
`);
const DeleteRole = graphql(/* GraphQL */ `
  mutation DeleteRole($input: DeleteRoleInput!) { deleteRole(input: $input) { deletedName moved } }
`);

type Role = AdminRolesQuery['roles'][number];
type Permission = AdminRolesQuery['permissions'][number];

/** The roles, what each of them may do, and how many hold it. */
export function Roles() {
  const { t } = useLingui();
  const [{ data, error }, ask] = useQuery({ query: RolesDocument, requestPolicy: 'cache-and-network' });
  const [editing, setEditing] = useState<Role | 'new' | null>(null);
  const [dropping, setDropping] = useState<Role | null>(null);
  const again = () => ask({ requestPolicy: 'network-only' });
  const roleTitle = useRoleTitle();
  const roleText = useRoleText();
  const permissionText = usePermissionText();
  const close = () => {
    setEditing(null);
    setDropping(null);
    again();
  };
  return (
    <Page
      title={t`Roles`}
      note={data && <Plural value={data.roles.length} one="# role" other="# roles" />}
      actions={
        <Button variant="primary" icon="plus" onClick={() => setEditing('new')}>
          <Trans>New role</Trans>
        </Button>
      }
    >
      {!data ? (
        error ? (
          <LoadError what={<Trans>The roles could not be loaded</Trans>} error={error} again={again} />
        ) : (
          <RowsSkeleton rows={4} />
        )
      ) : (
        <ul className="grid gap-3 md:grid-cols-2 2xl:grid-cols-3" aria-label={t`Roles`}>
          {data.roles.map((role) => (
            <li key={role.name} className="flex flex-col rounded-md border border-line bg-surface-1 p-4">
              <div className="flex items-start gap-2">
                <div className="min-w-0 flex-1">
                  <h2 className="font-semibold">{roleTitle(role.name, data.roles)}</h2>
                  <p className="text-sm text-text-3">{roleText(role)}</p>
                </div>
                {!role.fixed && (
                  <IconButton size="sm" icon={icons.pencil} label={t`Change “${roleTitle(role.name, data.roles)}”`} onClick={() => setEditing(role)} />
                )}
                {!role.builtIn && (
                  <IconButton size="sm" icon={icons.trash} label={t`Delete “${roleTitle(role.name, data.roles)}”`} onClick={() => setDropping(role)} />
                )}
              </div>
              <ul className="my-3 flex-1 space-y-1 text-sm text-text-2">
                {role.permissions.length === 0 && (
                  <li>
                    <Trans>Only watches</Trans>
                  </li>
                )}
                {data.permissions
                  .filter((p) => role.permissions.includes(p.name))
                  .map((p) => (
                    <li key={p.name}>{permissionText(p)}</li>
                  ))}
              </ul>
              <div className="flex flex-wrap items-center gap-3 text-sm text-text-3">
                <Plural value={role.holders} one="# account" other="# accounts" />
                {role.builtIn && (
                  <Chip>
                    <Trans>Built in</Trans>
                  </Chip>
                )}
              </div>
            </li>
          ))}
        </ul>
      )}
      {editing && data && <Edit role={editing === 'new' ? null : editing} permissions={data.permissions} onClose={close} />}
      {dropping && data && <Drop role={dropping} roles={data.roles} onClose={close} />}
    </Page>
  );
}

function Edit({ role, permissions, onClose }: { role: Role | null; permissions: readonly Permission[]; onClose: () => void }) {
  const { t } = useLingui();
  const words = useRightsFault();
  const roleTitle = useRoleTitle();
  const permissionText = usePermissionText();
  const [{ fetching: creating }, create] = useMutation(CreateRole);
  const [{ fetching: updating }, update] = useMutation(UpdateRole);
  const [title, setTitle] = useState(role?.title ?? '');
  const [description, setDescription] = useState(role?.description ?? '');
  const [chosen, setChosen] = useState<readonly string[]>(role?.permissions ?? []);
  const [error, setError] = useState<{ title?: string; all?: string }>({});
  const lost = role ? role.permissions.filter((p) => !chosen.includes(p)) : [];

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    // Its name for ever: one that nothing can be made of gets one by the moment.
    const slug = slugOf(title).toUpperCase().replaceAll('-', '_').slice(0, 32);
    const name = role?.name ?? (/^[A-Z][A-Z0-9_]+$/.test(slug) ? slug : `ROLE_${Date.now().toString(36).toUpperCase()}`);
    if (!title.trim()) return setError({ title: t`Give the role a name.` });
    const texts = role?.builtIn ? {} : { title, description };
    const input = { name, permissions: [...chosen], ...texts };
    try {
      if (await whenFresh(async () => orThrow(role ? await update({ input }) : await create({ input })))) onClose();
    } catch (failed) {
      setError(toFault(failed).reason === 'ROLE_TAKEN' ? { title: words(failed) } : { all: words(failed) });
    }
  };
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={role ? roleTitle(role.name, [role]) : <Trans>New role</Trans>}
      description={role && role.holders > 0 && <Plural value={role.holders} one="# account holds it; a change counts at once." other="# accounts hold it; a change counts at once." />}
      closeLabel={t`Close`}
      footer={
        <>
          <Button onClick={onClose}>
            <Trans>Cancel</Trans>
          </Button>
          <Button type="submit" form="edit-role" variant="primary" busy={creating || updating}>
            {role ? <Trans>Save</Trans> : <Trans>Make it</Trans>}
          </Button>
        </>
      }
    >
      <form id="edit-role" noValidate onSubmit={(event) => void submit(event)} className="flex flex-col gap-4">
        {!role?.builtIn && (
          <>
            <Field label={t`Name`} error={error.title}>
              {(c) => <Input {...c} name="title" maxLength={40} autoFocus value={title} onChange={(e) => setTitle(e.target.value)} />}
            </Field>
            <Field label={t`What it is for`}>
              {(c) => <Input {...c} name="description" maxLength={200} value={description} onChange={(e) => setDescription(e.target.value)} />}
            </Field>
          </>
        )}
        <fieldset>
          <legend className="mb-1 text-sm font-medium text-text-2">
            <Trans>Its holders may</Trans>
          </legend>
          {permissions.map((p) => (
            <label key={p.name} className="flex min-h-11 items-center gap-3 text-sm has-disabled:opacity-60 pointer-fine:min-h-9">
              <input
                type="checkbox"
                className="size-5 accent-(--accent)"
                checked={chosen.includes(p.name)}
                disabled={!can(p.name)}
                onChange={(e) => setChosen(e.target.checked ? [...chosen, p.name] : chosen.filter((x) => x !== p.name))}
              />
              {permissionText(p)}
            </label>
          ))}
        </fieldset>
        {lost.length > 0 && (
          <p role="status" className="text-sm text-warn">
            <Trans>Who holds the role loses this at once: {permissions.filter((p) => lost.includes(p.name)).map(permissionText).join('; ')}.</Trans>
          </p>
        )}
        <div role="alert" className="text-sm text-danger empty:hidden">
          {error.all}
        </div>
      </form>
    </Dialog>
  );
}

function Drop({ role, roles, onClose }: { role: Role; roles: readonly Role[]; onClose: () => void }) {
  const { t } = useLingui();
  const words = useRightsFault();
  const roleTitle = useRoleTitle();
  const [{ fetching }, remove] = useMutation(DeleteRole);
  const [moveTo, setMoveTo] = useState<string>(builtInRoles[0]);
  const title = roleTitle(role.name, roles);
  const submit = async () => {
    const input = { name: role.name, moveTo: role.holders > 0 ? moveTo : null };
    try {
      if (!(await whenFresh(async () => orThrow(await remove({ input }))))) return;
    } catch (error) {
      return void toast(words(error), { tone: 'danger' });
    }
    toast(t`The role “${title}” is deleted.`);
    onClose();
  };
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={<Trans>Delete the role “{title}”?</Trans>}
      description={
        role.holders > 0 ? <Plural value={role.holders} one="# account holds it." other="# accounts hold it." /> : <Trans>Nobody holds it. This cannot be undone.</Trans>
      }
      closeLabel={t`Close`}
      footer={
        <>
          <Button onClick={onClose}>
            <Trans>Keep it</Trans>
          </Button>
          <Button variant="danger" busy={fetching} onClick={() => void submit()}>
            <Trans>Delete</Trans>
          </Button>
        </>
      }
    >
      {role.holders > 0 && (
        <Field label={t`They get instead`}>
          {(c) => (
            <Select {...c} value={moveTo} onChange={(e) => setMoveTo(e.target.value)}>
              {roles
                .filter((r) => r.name !== role.name && r.permissions.every((p) => can(p)))
                .map((r) => (
                  <option key={r.name} value={r.name}>
                    {roleTitle(r.name, roles)}
                  </option>
                ))}
            </Select>
          )}
        </Field>
      )}
    </Dialog>
  );
}
